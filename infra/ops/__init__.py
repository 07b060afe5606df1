"""The operator program, and the repair programs restore and redrive.

The program speaks French or English by the locale: the gettext domain `operator` is set here, before typer reads texts.
"""

import gettext
from pathlib import Path

gettext.bindtextdomain("operator", str(Path(__file__).parent / "locale"))
gettext.textdomain("operator")
