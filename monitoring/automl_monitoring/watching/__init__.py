"""The watch: check each new window, tell, decide, retrain, judge, roll out, promote, and roll back what proves worse.

daemon.py     the loop, its lease, its end
lookout.py    which windows are checked, and what is decided from them
stages.py     a retraining from stage to stage, each of which can be killed and done again
child.py, worker.py     the process that trains and judges
probation.py  a new version among real requests: shadow, canary, and the time after its promotion
"""
