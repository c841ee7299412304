"""What Finetune Studio knows: data, models, jobs, training, engines. Knows nothing about how it is drawn."""

__version__ = "0.1.0"
