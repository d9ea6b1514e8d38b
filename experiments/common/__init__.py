"""What the experiments share.

Of studies: `study` (the command line), `ledger` (finished runs), `statistics` (verdicts), `markdown`, `figures`,
`summary`, `options`, `results`. Of nets: `nets`, `resnet_lc`, `convnext`, `training`, `attacks`. `data` holds tasks and
data modules, `engine` what `experiments.train` is made of.
"""
