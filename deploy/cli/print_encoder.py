"""What `silofrei model use FOLDER` prints, in German or English: what an encoder gives, and what follows."""

import json
from dataclasses import asdict
from datetime import UTC

from silofrei.deploy.cli.print_model import table
from silofrei.desk.words import Words
from silofrei.routing.classifier.encoder.adopted import BOTH, HEAD, LOCAL, Adopted
from silofrei.routing.classifier.gate import Figure
from silofrei.schemas.names import Label, Language

_SAYS = {
    "en": {
        "trained": "A head was trained on the vectors of {texts} texts; {ms} ms a text in the encoder.",
        "asked": "The encoder is asked about {share} of the held-out texts: {languages}.",
        "language": "{name} (share {share})",
        "held_out": "Held-out tenth of the corpus ({texts} texts), macro-F1",
        "texts": "Texts",
        "local": "Linear",
        "head": "Head alone",
        "both": "Both",
        "all": "All",
        "accuracy": "Surest half",
        "calibration": "Calibration error",
        "nothing": "Not taken into use: beside the linear model it gives nothing in German or English.",
        "dry": "{model} was compared and not stored (dry run).",
        "activated": "{name} ({model}) is stored and active: running workers take it within a second; back with "
        "`silofrei model rollback`. The encoder's folder must stay where it is.",
        "refused": "{name} ({model}) is stored and not active: {worse} fell by more than the tolerance allows. Watch "
        "it in the shadow, or `silofrei model use {name}` all the same.",
        "would": "It would become active.",
        "would_not": "It would not become active: {worse} fell by more than the tolerance allows.",
        "macro": "macro-F1",
    },
    "de": {
        "trained": "Mit den Vektoren von {texts} Texten wurde ein Kopf trainiert; {ms} ms je Text im Encoder.",
        "asked": "Der Encoder wird bei {share} der zurückgehaltenen Texte gefragt: {languages}.",
        "language": "{name} (Anteil {share})",
        "held_out": "Zurückgehaltenes Zehntel des Korpus ({texts} Texte), Makro-F1",
        "texts": "Texte",
        "local": "Linear",
        "head": "Nur Kopf",
        "both": "Beide",
        "all": "Alle",
        "accuracy": "Sicherste Hälfte",
        "calibration": "Kalibrierungsfehler",
        "nothing": "Nicht in Gebrauch genommen: Neben dem linearen Modell bringt er auf Deutsch und Englisch nichts.",
        "dry": "{model} wurde verglichen und nicht gespeichert (Probelauf).",
        "activated": "{name} ({model}) ist gespeichert und aktiv: Laufende Worker nehmen es binnen einer Sekunde; "
        "zurück mit `silofrei model rollback`. Der Ordner des Encoders muss bleiben, wo er ist.",
        "refused": "{name} ({model}) ist gespeichert und nicht aktiv: {worse} fiel um mehr, als die Toleranz "
        "erlaubt. Beobachten Sie es im Schattenbetrieb oder nehmen Sie es trotzdem: `silofrei model use {name}`.",
        "would": "Es würde aktiv.",
        "would_not": "Es würde nicht aktiv: {worse} fiel um mehr, als die Toleranz erlaubt.",
        "macro": "Makro-F1",
    },
}


def adopted_as_json(done: Adopted) -> str:
    """One JSON object: every figure of the linear model, the head and both, and the verdict."""
    verdict = done.verdict
    return json.dumps(
        {
            "model": done.model,
            "name": done.stored,
            "activated": done.activated,
            "passed": verdict is not None and verdict.passed,
            "trained_on": done.trained_on,
            "languages": {language.value: mix.model_dump() for language, mix in done.mixes.items()},
            "asked": round(done.asked, 4),
            "milliseconds": round(done.milliseconds, 3),
            "held_out": {
                which: {kept: asdict(one) for kept, one in found.items()} for which, found in done.held_out.items()
            },
            "against": [
                {**one._asdict(), "label": one.label.value if one.label else None}
                for one in (verdict.against if verdict else ())
            ],
        },
        ensure_ascii=False,
    )


def adopted_as_text(done: Adopted, language: str) -> str:
    """Three models side by side, and what follows."""
    says, words = _SAYS[language], Words(language, UTC)
    lines = [says["trained"].format(texts=words.number(done.trained_on), ms=words.figure(done.milliseconds, 1))]
    if done.mixes:
        told = [
            says["language"].format(name=words.name(code, "language"), share=words.figure(mix.share))
            for code, mix in done.mixes.items()
        ]
        lines.append(says["asked"].format(share=words.percent(done.asked), languages=", ".join(told)))
    columns = [which for which in (LOCAL, HEAD, BOTH) if which in done.held_out]
    own = done.held_out[LOCAL]
    rows = [["", says["texts"], *(says[which] for which in columns)]]
    for kept in own:
        name = says["all"] if kept == "all" else words.name(Language(kept), "language")
        reached = [words.figure(done.held_out[which][kept].macro_f1, 3) for which in columns]
        rows.append([name, words.number(own[kept].texts), *reached])
    for label in own["all"].f1:
        reached = [words.figure(done.held_out[which]["all"].f1[label], 3) for which in columns]
        rows.append([words.name(Label(label), "label"), "", *reached])
    for name, field in (("accuracy", "surest_half"), ("calibration", "calibration_error")):
        reached = [words.figure(getattr(done.held_out[which]["all"], field), 3) for which in columns]
        rows.append([says[name], "", *reached])
    heading = says["held_out"].format(texts=words.number(own["all"].texts))
    return "\n".join([*lines, "", heading, table(rows), "", _verdict(done, says, words)])


def _verdict(done: Adopted, says: dict[str, str], words: Words) -> str:
    if done.verdict is None:
        return says["nothing"]
    worse = ", ".join(_name(one, says, words) for one in done.verdict.against)
    if done.stored is None:
        outcome = says["would"] if done.verdict.passed else says["would_not"].format(worse=worse)
        return f"{says['dry'].format(model=done.model)} {outcome}"
    key = "activated" if done.activated else "refused"
    return says[key].format(name=done.stored, model=done.model, worse=worse)


def _name(one: Figure, says: dict[str, str], words: Words) -> str:
    return words.name(one.label, "label") if one.label else says["macro"]
