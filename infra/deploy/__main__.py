"""Run the deployment program: `python -m infra.deploy --help`."""

import sys

from infra.deploy.commands import main

if __name__ == "__main__":
    main(sys.argv[1:])
