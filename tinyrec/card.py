"""A model's card: what one must know before using its numbers, made from its result alone."""

import json


def card(result: dict) -> str:
    """Data, seed, command and accuracy of a result of `tinyrec.runs.execute`, as Markdown."""
    run, data = result["run"], result["data"]
    lines = [
        f"# {run['name']}",
        "",
        f"{run['model'].upper()}: {json.dumps(run['settings'])}.",
        "",
        f"- **Data**: {data['train']}.",
        f"- **Seed**: {run['training']['seed']} (weights, order of puzzles, exploration).",
        f"- **Command**: `{result['command']}`: {result['steps']} steps, "
        f"{result['seconds']:.0f} s of training ({result['seconds_with_tests']:.0f} s with its "
        f"tests) on {result['machine']['device']}, {result['machine']['threads']} threads, "
        f"{result['precision']}, {result['compiled']}, torch {result['machine']['torch']}.",
    ]
    for name in (name for name in data if name in result):
        lines.append(
            f"- **Accuracy** on {result[name]['n']} {data[name]}: {accuracy(result[name])}"
        )
    if run["note"]:
        lines.append(f"- **Note**: {run['note']}.")
    return "\n".join(lines) + "\n"


def accuracy(test: dict) -> str:
    low, high = test["interval_95"]
    text = f"{test['exact']:.1%} exact (95 % interval {low:.1%} to {high:.1%}), "
    text += f"{test['cell']:.2%} of the cells, "
    for name, share in test.get("score", {}).items():
        text += f"{name}: {share:.1%}, "
    if test["attempts"] == 1:
        return text + f"after {test['segments']} segments."
    return text + (
        f"in up to {test['attempts']} attempts of up to {test['segments']} segments, each at "
        f"another symmetric image, chosen by q ({test['exact_first_attempt']:.1%} at the first; "
        f"{test['segments_run']:.1f} segments a puzzle)."
    )
