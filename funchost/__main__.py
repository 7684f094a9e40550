"""``python -m funchost`` is the ``funchost`` command."""

from .host.cli.main import main

raise SystemExit(main())
