"""Zero-shot prompts by name: the sentences that published figures were taken with."""

from __future__ import annotations

PROMPT_TEMPLATES: dict[str, str] = {
    "laion": "This is a sound of {label}.",  # LAION-CLAP, eval_zeroshot_classification
    "ms_clap": "this is the sound of {label}",  # MS-CLAP, example for ESC-50
    "wavcaps": "{label} can be heard",  # WavCaps, ESC-50 and VGGSound
    "unsupervised": "this is a sound of {label}",  # unsupervised improvement, arXiv 2305.01864
    "glap": "The sound of {label} can be heard.",  # GLAP
    "bare": "{label}",  # WavCaps, UrbanSound8K
}


def prompt_sentences(prompts: list[str]) -> list[str]:
    """Return prompts with names of templates replaced by their sentences; others are sentences already."""
    return [PROMPT_TEMPLATES.get(prompt, prompt) for prompt in prompts]
