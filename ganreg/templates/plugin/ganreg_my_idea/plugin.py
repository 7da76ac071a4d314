"""What ganreg finds by the entry point: records, and no torch."""

import ganreg

GANREG_API = 1


@ganreg.hookimpl
def ganreg_components():
    yield ganreg.Component("generator", "my-idea", "ganreg_my_idea.generator:Generator", "A perceptron, to be replaced.")
    yield ganreg.Component("discriminator", "my-idea", "ganreg_my_idea.discriminator:Discriminator", "To be replaced.")
    yield ganreg.Component("loss", "my-idea", "ganreg_my_idea.loss:Loss", "Cross-entropy with a temperature, to be replaced.")
    yield ganreg.Component("regularizer", "my-idea", "ganreg_my_idea.regularizer:Regularizer", "To be replaced.")
    yield ganreg.Component("augmentation", "my-idea", "ganreg_my_idea.augmentation:Augmentation", "To be replaced.")
    yield ganreg.Component("optimizer", "my-idea", "ganreg_my_idea.optimizer:Optimizer", "Signs of momenta, to be replaced.")
    yield ganreg.Component("dataset", "my-idea", "ganreg_my_idea.dataset:Spiral", "Points on a spiral, to be replaced.")
    yield ganreg.Component("tracker", "my-idea", "ganreg_my_idea.tracker:Tracker", "A page of its own, to be replaced.")
    yield ganreg.Component("extractor", "my-idea", "ganreg_my_idea.extractor:Extractor", "Projections, to be replaced.")
    yield ganreg.Component("metric", "my-idea", "ganreg_my_idea.metric:Metric", "Distance of means, to be replaced.")
