"""`recurra bench`: the recurrent layers beside `torch.nn` and the limits of this machine, measured in one run."""
