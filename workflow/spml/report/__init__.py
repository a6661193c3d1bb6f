"""Stage *report*: a small site with all exhibits and where each of their numbers comes from.

Reads the files of each exhibit, the records of each run, Snakemake's benchmark of its training, the
losses' own descriptions and the configuration with its comments, and says nothing that none of them
says. One page a paper, a dataset and a method; all links are relative, so that a results folder
that was moved or copied still works, from a disk as from a web server.
"""
