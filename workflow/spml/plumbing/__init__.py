"""What carries results and changes none of them: an edit here makes nothing anew.

A file may live here if no byte of a run's scores, metrics or figures can depend on it.
"""
