"""What the commands of `silofrei model` print, in German or English: models, comparisons, figures."""

import json
from collections.abc import Sequence
from datetime import UTC

from silofrei.desk.words import Words
from silofrei.routing.classifier.assess import Assessment
from silofrei.routing.classifier.gate import Figure
from silofrei.routing.classifier.lexicon import LABELS
from silofrei.routing.classifier.overview import Overview
from silofrei.routing.classifier.retrained import Trained
from silofrei.routing.classifier.shadow import Comparison
from silofrei.schemas.names import TRIAGE, Label

_SAYS = {
    "en": {
        "model": "Model",
        "trained": "Trained",
        "corrections": "Corrections",
        "active": "active",
        "cannot": "cannot be used: {problem}",
        "back": "A rollback goes to: {names}",
        "learned": "Trained on {texts} texts, {learned} of them corrections; {other} in other languages left out.",
        "set.corpus": "Held-out tenth of the corpus ({texts} texts)",
        "set.corrections": "Held-out fifth of the corrections ({texts} texts)",
        "department": "Department",
        "texts": "Texts",
        "before": "Active",
        "after": "New",
        "change": "Change",
        "few": "too few to judge",
        "worse": "worse",
        "macro": "Macro-F1",
        "stored": "{name} ({model}) is stored",
        "dry": "{model} was compared and not stored (dry run)",
        "activated": "and active: running workers take it within a second.",
        "refused": "and not active: {number} figures are worse than the tolerance allows. Watch it in the shadow, or "
        "`silofrei model use {name}` all the same.",
        "would": "It would become active.",
        "would_not": "It would not become active.",
        "moved": "{moved} of {texts} texts would go elsewhere: {active} decides today, {candidate} might.",
        "from": "Today",
        "to": "Then",
        "examples": "Examples",
        "triage": "Triage",
        "figures": "{model} on {texts} texts",
        "accuracy": "Accuracy",
        "routed": "Sure enough to route: {share}, right there: {right}",
        "calibration": "Calibration error",
        "precision": "Precision",
        "recall": "Recall",
        "given": "Given",
        "language": "Language",
        "confusion": "Confusion: labelled (row), given (column)",
        "coverage": "Coverage: accuracy on the surest texts",
        "share": "Share",
        "score": "Least score",
        "bins": "Calibration: how often a score is right",
        "mean": "Mean score",
        "right": "Right",
        "secondary": "Others who should see it: precision {precision}, recall {recall} ({right} right of {given} "
        "given, {wanted} wanted, in {texts} texts that say so)",
        "mood": "Mood: macro-F1 {f1}, accuracy {accuracy}, calibration error {error} ({texts} texts that say so)",
        "urgency": "Needed today: {top} of the tenth with the highest scores, {all} of all; calibration error {error} "
        "({texts} texts that say so)",
    },
    "de": {
        "model": "Modell",
        "trained": "Trainiert",
        "corrections": "Korrekturen",
        "active": "aktiv",
        "cannot": "nicht nutzbar: {problem}",
        "back": "Ein Rückschritt führt zu: {names}",
        "learned": "Trainiert mit {texts} Texten, davon {learned} Korrekturen; {other} in anderen Sprachen "
        "ausgelassen.",
        "set.corpus": "Zurückgehaltenes Zehntel des Korpus ({texts} Texte)",
        "set.corrections": "Zurückgehaltenes Fünftel der Korrekturen ({texts} Texte)",
        "department": "Abteilung",
        "texts": "Texte",
        "before": "Aktiv",
        "after": "Neu",
        "change": "Änderung",
        "few": "zu wenige für ein Urteil",
        "worse": "schlechter",
        "macro": "Makro-F1",
        "stored": "{name} ({model}) ist gespeichert",
        "dry": "{model} wurde verglichen und nicht gespeichert (Probelauf)",
        "activated": "und aktiv: Laufende Worker nehmen es binnen einer Sekunde.",
        "refused": "und nicht aktiv: {number} Werte sind schlechter, als die Toleranz erlaubt. Beobachten Sie es im "
        "Schattenbetrieb oder nehmen Sie es trotzdem: `silofrei model use {name}`.",
        "would": "Es würde aktiv.",
        "would_not": "Es würde nicht aktiv.",
        "moved": "{moved} von {texts} Texten kämen woandershin: {active} entscheidet heute, {candidate} vielleicht.",
        "from": "Heute",
        "to": "Dann",
        "examples": "Beispiele",
        "triage": "Sichtung",
        "figures": "{model} auf {texts} Texten",
        "accuracy": "Genauigkeit",
        "routed": "Sicher genug zum Zuordnen: {share}, davon richtig: {right}",
        "calibration": "Kalibrierungsfehler",
        "precision": "Präzision",
        "recall": "Trefferquote",
        "given": "Vergeben",
        "language": "Sprache",
        "confusion": "Verwechslungen: eigentlich (Zeile), vergeben (Spalte)",
        "coverage": "Abdeckung: Genauigkeit auf den sichersten Texten",
        "share": "Anteil",
        "score": "Mindestwert",
        "bins": "Kalibrierung: wie oft ein Wert recht hat",
        "mean": "Mittlerer Wert",
        "right": "Richtig",
        "secondary": "Wer es noch sehen sollte: Präzision {precision}, Trefferquote {recall} ({right} richtig von "
        "{given} vergebenen, {wanted} gesuchten, in {texts} Texten, die es sagen)",
        "mood": "Stimmung: Makro-F1 {f1}, Genauigkeit {accuracy}, Kalibrierungsfehler {error} (in {texts} Texten, die "
        "es sagen)",
        "urgency": "Heute nötig: {top} des Zehntels mit den höchsten Werten, {all} von allen; Kalibrierungsfehler "
        "{error} (in {texts} Texten, die es sagen)",
    },
}

_EXCERPT = 100


def models_as_json(found: Overview) -> str:
    """One JSON object per model."""
    before = list(found.before)
    lines = [{**one.model_dump(mode="json"), "before": before if one.active else []} for one in found.models]
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)


def models_as_text(found: Overview, language: str) -> str:
    """A table of the models, and where a rollback goes."""
    says, words = _SAYS[language], Words(language, UTC)
    rows = [["", says["model"], says["trained"], says["corrections"], says["macro"], ""]]
    for one in found.models:
        trained = words.moment(one.trained_at) if one.trained_at else "–"
        note = says["cannot"].format(problem=one.problem) if one.problem else one.model
        rows.append(
            [
                "*" if one.active else "",
                one.name,
                trained,
                words.number(one.corrections),
                words.figure(one.macro_f1),
                note,
            ]
        )
    lines = [table(rows, left=(0, 1, 2, 5)), "", f"* {says['active']}"]
    if found.before:
        lines.append(says["back"].format(names=", ".join(found.before)))
    if found.problem:
        lines.append(found.problem)
    return "\n".join(lines)


def training_as_json(done: Trained, lines_left_out: int) -> str:
    """One JSON object: what was trained on, every figure of both models, the verdict."""
    return json.dumps(
        {
            "model": done.model,
            "name": done.stored,
            "activated": done.activated,
            "passed": done.verdict.passed,
            "trained_on": done.trained_on,
            "corrections": done.corrections,
            "other_language": done.other_language,
            "lines_left_out": lines_left_out,
            "figures": [_figure_as_json(one) for one in done.verdict.figures],
            "against": [_figure_as_json(one) for one in done.verdict.against],
        },
        ensure_ascii=False,
    )


def _figure_as_json(one: Figure) -> dict[str, object]:
    return {**one._asdict(), "label": one.label.value if one.label else None}


def training_as_text(done: Trained, language: str) -> str:
    """What was trained on, both models side by side, and what follows."""
    says, words = _SAYS[language], Words(language, UTC)
    lines = [
        says["learned"].format(
            texts=words.number(done.trained_on),
            learned=words.number(done.corrections),
            other=words.number(done.other_language),
        )
    ]
    for name in dict.fromkeys(one.held_out for one in done.verdict.figures):
        own = [one for one in done.verdict.figures if one.held_out == name and one.texts]
        rows = [[says[key] for key in ("department", "texts", "before", "after", "change")] + [""]]
        for one in own:
            change = one.candidate - one.active
            rows.append(
                [
                    words.name(one.label, "label") if one.label else says["macro"],
                    words.number(one.texts),
                    words.figure(one.active, 3),
                    words.figure(one.candidate, 3),
                    f"{'+' if change > 0 else ''}{words.figure(change, 3)}",
                    says["worse"] if one in done.verdict.against else "" if one.judged else says["few"],
                ]
            )
        lines += ["", says[f"set.{name}"].format(texts=words.number(own[0].texts)), table(rows, left=(0, 5))]
    return "\n".join([*lines, "", _verdict(done, says, words)])


def _verdict(done: Trained, says: dict[str, str], words: Words) -> str:
    if done.stored is None:
        return f"{says['dry'].format(model=done.model)}. {says['would' if done.verdict.passed else 'would_not']}"
    end = says["activated" if done.activated else "refused"].format(
        name=done.stored, number=words.number(len(done.verdict.against))
    )
    return f"{says['stored'].format(name=done.stored, model=done.model)} {end}"


def comparison_as_text(found: Comparison, language: str) -> str:
    """What would move, the commonest first, and some of the texts."""
    says, words = _SAYS[language], Words(language, UTC)

    def place(name: str) -> str:
        return says["triage"] if name == TRIAGE else words.name(Label(name), "label")

    lines = [
        says["moved"].format(
            moved=words.number(found.texts - found.agreed),
            texts=words.number(found.texts),
            active=found.active_model,
            candidate=found.candidate_model,
        )
    ]
    if found.moves:
        rows = [[says["from"], says["to"], says["texts"]]]
        rows += [[place(move.active), place(move.candidate), words.number(move.count)] for move in found.moves]
        lines += ["", table(rows, left=(0, 1)), "", says["examples"]]
        for one in found.examples:
            text = " ".join(_printable(one.text).split())
            excerpt = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]} …"
            lines.append(f"  {place(one.active)} → {place(one.candidate)} {words.percent(one.score)}: {excerpt}")
    return "\n".join(lines)


def assessment_as_text(found: Assessment, language: str) -> str:
    """All figures of a model on one set."""
    says, words = _SAYS[language], Words(language, UTC)
    names = [words.name(label, "label") for label in LABELS]
    classes = [[says[key] for key in ("department", "texts", "given", "precision", "recall")] + ["F1"]]
    classes += [
        [
            words.name(one.label, "label"),
            words.number(one.texts),
            words.number(one.given),
            words.figure(one.precision),
            words.figure(one.recall),
            words.figure(one.f1),
        ]
        for one in found.classes
    ]
    languages = [[says["language"], says["texts"], says["accuracy"], says["macro"]]]
    languages += [
        [one.language, words.number(one.texts), words.figure(one.accuracy), words.figure(one.macro_f1)]
        for one in found.languages
    ]
    confusion = [["", *names]]
    confusion += [
        [name, *(words.number(n) if n else "·" for n in row)] for name, row in zip(names, found.confusion, strict=True)
    ]
    coverage = [[says["share"], says["score"], says["accuracy"]]]
    coverage += [
        [words.percent(one.coverage), words.figure(one.score), words.figure(one.accuracy)]
        for one in found.coverage[1::2] or found.coverage
    ]
    bins = [[says["score"], says["texts"], says["mean"], says["right"]]]
    bins += [
        [f"{words.figure(one.low)} …", words.number(one.texts), words.figure(one.score), words.figure(one.accuracy)]
        for one in found.bins
        if one.texts
    ]
    second, further = found.secondary, list[str]()
    if mood := found.mood:
        further.append(
            says["mood"].format(
                f1=words.figure(mood.macro_f1),
                accuracy=words.figure(mood.accuracy),
                error=words.figure(mood.calibration_error),
                texts=words.number(mood.texts),
            )
        )
    if urgency := found.urgency:
        further.append(
            says["urgency"].format(
                top=words.percent(urgency.urgent_of_top),
                all=words.percent(urgency.urgent),
                error=words.figure(urgency.calibration_error),
                texts=words.number(urgency.texts),
            )
        )
    return "\n".join(
        [
            says["figures"].format(model=found.model, texts=words.number(found.texts)),
            "",
            f"{says['macro']} {words.figure(found.macro_f1)} · {says['accuracy']} {words.figure(found.accuracy)} · "
            f"{says['calibration']} {words.figure(found.calibration_error)}",
            says["routed"].format(share=words.percent(found.routed), right=words.figure(found.routed_accuracy)),
            "",
            table(classes),
            "",
            table(languages),
            "",
            says["confusion"],
            table(confusion),
            "",
            says["coverage"],
            table(coverage, left=()),
            "",
            says["bins"],
            table(bins, left=()),
            "",
            says["secondary"].format(
                precision=words.figure(second.precision),
                recall=words.figure(second.recall),
                right=words.number(second.right),
                given=words.number(second.given),
                wanted=words.number(second.wanted),
                texts=words.number(second.texts),
            ),
            *further,
        ]
    )


def table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    """Columns side by side; those named in `left` begin at the left, the others end at the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _printable(text: str) -> str:
    """Without control characters: a text must not steer the reader's terminal."""
    return "".join(character for character in text if character in "\n\t" or character.isprintable())
