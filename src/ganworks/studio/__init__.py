"""The page in the browser: training, watching and using networks without a terminal. Needs the extra `serve`.

`app` is the server, `guard` decides who may ask it; `trainings` starts, watches and stops trainings, `data` takes
uploads and looks at them, `making` uses the trained networks. The folder of the studio is its only memory: whatever a
page shows is derived from the files there and from the processes that run, so that neither a closed browser nor a
killed server loses anything.
"""
