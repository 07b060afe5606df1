"""Run the local stack until Ctrl-C: `python -m infra.local`."""

from infra.local.commands import main
from infra.tools.command_line import no_arguments

if __name__ == "__main__":
    no_arguments("infra.local", "Run the whole service on this machine until Ctrl-C. GUICHET_PORT chooses the port.")
    main()
