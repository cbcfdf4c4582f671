"""The classic experiments on recurrent networks: each one command, seeded, minutes on two cores, a page of figures."""
