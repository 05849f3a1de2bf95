"""`python -m reweigh`, the same as the command `reweigh`: what launchers such as torchrun need."""

from reweigh.cli.main import main

main()
