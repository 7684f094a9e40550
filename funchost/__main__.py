"""``python -m funchost`` is the ``funchost`` command."""

from .host.cli import main

raise SystemExit(main())
