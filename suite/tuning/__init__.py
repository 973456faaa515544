"""Tuning: search each optimizer's hyperparameters under one budget. This package alone imports optuna.

**Objective.** A configuration is trained on one or more repeats of the stage `tuning`, which have other seeds than the final
run, and on five sixths of the training set. Its value is the mean of the objective over these repeats on the validation split
(`suite.problems.validation_split`). A loss is clipped at the chance loss, because a network that is worse than a constant
prediction is no worse than useless. A repeat that diverges or stalls stops and ends its configuration, which gets the worst
value: the chance loss, or an accuracy of 0. The other repeats of a much worse configuration are skipped
(`suite.tuning.pruning`).

**Proposals.** The first configuration is the optimizer's default setting in the study. The others come in batches. A sampler
is seeded by (study seed, optimizer, number of the configuration). It sees the results of earlier batches and the pending
configurations of its own batch. Workers, the order in which trials end, and interruptions therefore change nothing: an
interrupted and resumed search has the same numbers as an uninterrupted one.

**Records.** A trial is recorded when it ends and found again by its id, so the next process does not repeat it. Within one
process a configuration that is proposed twice is trained twice. Optuna gets the results of a batch when the batch is
complete. The next process takes over what a killed process left pending in Optuna's storage. A failed trial blocks its
optimizer's search after its batch, and runs again the next time.
"""
