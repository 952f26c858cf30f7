import sys

from contracts.generate.command import main

sys.exit(main(sys.argv[1:]))
