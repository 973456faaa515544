"""Searches each optimizer's hyperparameters under one budget. What imports optuna lies here.

**Judged.** A configuration is trained on one or more repeats, of the stage `tuning`, so on other seeds than the final run,
and on five sixths of the training set; its value is the mean of the objective over them, on the validation split
(`suite.problems.validation_split`). A loss counts as the chance loss at most: a network that is worse than a constant prediction is no worse
than useless. A repeat that diverges or stalls stops by itself, ends its configuration, and gives it the worst value there
is: the chance loss, or an accuracy of 0. A hopeless configuration is spared its other repeats (`suite.tuning.pruning`).

**Proposed.** The first configuration is the optimizer's own setting in the study. The others come in batches; a sampler is
seeded by (study's seed, optimizer, number of the configuration) and sees the results of the batches before, and what is
pending of its own. So the workers, the order in which trials end, and interruptions change nothing: an interrupted search
is the same as an undisturbed one, number for number.

**Recorded.** Trials are recorded the moment they end and found again by their id, so what one process ran the next does not
(within one process a configuration that is proposed twice is trained twice). A batch is told to Optuna when all of it is
there. What a killed process leaves pending in Optuna's storage is taken up by the next. A failed
trial holds up its optimizer's search after its batch; it is run again the next time.
"""
