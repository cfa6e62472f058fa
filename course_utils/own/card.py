"""What a run has to say: the model card that goes into the zip, and the same figures in lines."""

from __future__ import annotations


def lines(outcome: dict) -> str:
    """Each system with its interval on the test rows, and where the zip is. outcome: what `pipeline.run` returns."""
    told = [f"{s['system']:44s} {s['accuracy']:.2f}   95 %: {s['low']:.2f} to {s['high']:.2f}, {s['n']} rows"
            for s in outcome["scores"]]
    return "\n".join([*told, f"To take home: {outcome['zip']}"])


def text(job, outcome: dict) -> str:
    """The card of a `pipeline.Job`: what it was trained on, how it was tested, its limits. The data are not in it."""
    labels = "\n".join(f"- `{code}`" + (f": {own}" if own != code else "") for code, own in (job.labels or {}).items())
    measure = "macro_f1" if job.labels else "word_f1"
    table = "\n".join(f"| {s['system']} | {s['n']} | {s['accuracy']:.2f} | {s['low']:.2f} to {s['high']:.2f} | {s[measure]:.2f} |"
                      for s in outcome["scores"])
    gain = outcome["scores"][-1].get("gain")
    verdict = ""
    if gain:
        sure = ("more than chance explains" if gain["low"] > 0 else "worse: use the simpler method" if gain["high"] < 0
                else "not clearly better: the simpler method is the better buy")
        verdict = f"\nAgainst {gain['over']}: {gain['value']:+.2f} ({gain['low']:+.2f} to {gain['high']:+.2f}); {sure}.\n"
    found = "\n".join(f"- {f.check}: {f.what}" for f in job.audit.findings if f.level != "ok") or "- nothing"
    return f"""# {job.name}: a LoRA adapter for {outcome['model']}

Trained on {outcome['rows']:,} rows ({outcome['tokens']:,} tokens read) in {outcome['train_seconds']:.0f} s.
Device: {outcome['device']}.
Instruction: {job.task.instruction}

{labels}

## Tested on {outcome['tested']} rows that were not trained on

| system | rows | {'accuracy' if job.labels else 'exact match'} | 95 % interval | {measure.replace('_', ' ')} |
|---|---|---|---|---|
{table}
{verdict}
## The audit said {job.audit.verdict}

{found}

## Limits

Tested on rows of the same file only. Other sources, later months and other languages were not tested. The adapter may repeat
what stood in its training rows, and `audit.html` quotes some of them: do not pass either on if they were confidential.
Rights to the data: {job.audit.licence or 'not stated'}. Base model: its own licence.
"""
