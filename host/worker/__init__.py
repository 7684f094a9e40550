"""The process that runs user code. Standard library only; speaks docs/worker-protocol.md."""
