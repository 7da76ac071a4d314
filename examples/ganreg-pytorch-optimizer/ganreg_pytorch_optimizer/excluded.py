"""What pytorch_optimizer has and this plugin leaves out, with the reason.  By hand; everything else is in `table.py`."""

BUILT_IN = "torch's own, which ganreg has built in with values that suit GANs"
CLOSURE = "its step wants the loss from a closure, which two players cannot give"
MODEL = "wants the network itself, where ganreg gives an optimizer the weights alone"
CURVATURE = "estimates curvature, for which backward would have to keep its graph (create_graph)"
LOSS_DRIVEN = "steers by the loss from a closure; without one its idea is off, and it is plain"
RANK = "its low rank is switched on by a 'rank' in parameter groups; without, it is plain AdamW"
OBJECTS = "keeps Python objects in its state, which a checkpoint does not hold"

EXCLUDED = {
    "adahessian": CURVATURE,
    "adalomo": f"{MODEL}; it updates during backward",
    "adam": BUILT_IN,
    "adammini": MODEL,
    "adamw": BUILT_IN,
    "alig": CLOSURE,
    "apollo": RANK,
    "bsam": "steps several times for one update, by a closure, and wants the number of samples",
    "conda": OBJECTS,
    "demo": "exchanges momentum between processes by itself, and needs einops",
    "distributedmuon": "gathers between processes by itself, which ganreg does with gradients; `muon` is the same on each",
    "emofact": LOSS_DRIVEN,
    "emolynx": LOSS_DRIVEN,
    "emonavi": LOSS_DRIVEN,
    "fira": RANK,
    "galore": RANK,
    "kron": "draws from numpy's random numbers, which a run does not save: it would not go on bit for bit",
    "lbfgs": f"{CLOSURE}, several times for one update",
    "lomo": f"{MODEL}; it updates during backward",
    "lorarite": "moves pairs of LoRA factors, which these networks do not have",
    "magma": "wraps another optimizer, which it would have to be given",
    "muon": BUILT_IN,
    "muonclip": "clips the queries and keys of attention, in groups that say so; without them it is `muon`",
    "ranger": "at its defaults a sum of squares is higher after 20 steps than at first",
    "ranger21": "wants the number of steps of the run beforehand, for a schedule of its own",
    "rmsprop": BUILT_IN,
    "rose": "takes the mean off each row of a gradient: weights whose gradients are alike never move",
    "sara": "moves only weights that are near 0, to fine-tune what was trained before",
    "scalableshampoo": OBJECTS,
    "sgd": BUILT_IN,
    "shampoo": "its inverse roots are not finite where a gradient has not full rank; `soap` is of its kind",
    "sophiah": CURVATURE,
    "spectralsphere": "takes matrices alone, and refuses gains, biases and convolutions",
}
