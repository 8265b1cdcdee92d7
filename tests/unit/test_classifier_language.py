"""Language detection: German, English, another one, or none that can be told."""

import pytest

from silofrei.routing.classifier.corpus_rows import load_corpus
from silofrei.routing.classifier.model import LinearClassifier, TextInput, load_classifier
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Language

OTHERS = {
    "af": "Waar is my pakkie? Dit moes gister al gekom het",
    "ar": "أين طلبي؟ كان من المفروض أن يصل أمس",
    "bg": "Къде ми е пратката? Трябваше да пристигне вчера",
    "ca": "On és el meu paquet? Havia d'arribar ahir",
    "cs": "Vlak zase zrušený, díky za nic",
    "da": "Toget er aflyst igen, det er virkelig irriterende",
    "el": "Πού είναι το δέμα μου; Έπρεπε να έρθει χθες",
    "es": "Qué vergüenza de compañía, el vuelo cancelado sin avisar",
    "fi": "Juna on taas peruttu, todella ärsyttävää",
    "fr": "quelqu'un sait à quelle heure ouvre le magasin demain ?",
    "hi": "मेरा पार्सल कहाँ है? कल आना चाहिए था",
    "hr": "vlak je opet otkazan, hvala na ničemu",
    "hu": "megint törölték a vonatot, köszönöm szépen",
    "id": "kereta dibatalkan lagi, terima kasih banyak ya",
    "it": "non riesco ad accedere al mio conto da stamattina",
    "ja": "荷物はどこですか? 昨日届くはずでした",
    "nl": "trein weer eens uitgevallen, bedankt hoor",
    "no": "Toget er innstilt igjen, dette er så slitsomt",
    "pl": "nie mogę się zalogować na swoje konto od rana",
    "pt": "o meu voo foi cancelado e não me devolvem o dinheiro",
    "ro": "trenul a fost anulat din nou, mulțumesc pentru nimic",
    "ru": "Поезд опять отменили, спасибо вам большое",
    "sv": "Tåget är inställt igen, så otroligt tröttsamt",
    "tr": "Tren yine iptal edildi, teşekkürler",
}


@pytest.fixture(scope="module")
def classifier() -> LinearClassifier:
    return load_classifier(Thresholds())


def language(classifier: LinearClassifier, text: str, declared: str | None = None) -> Language:
    return classifier.classify([TextInput(text, declared)], explain=False)[0].language


@pytest.mark.parametrize("tag", OTHERS)
def test_another_language_is_told_and_abstained_from(classifier: LinearClassifier, tag: str) -> None:
    found = classifier.classify([TextInput(OTHERS[tag])])[0]
    assert (found.language, found.abstained) == (Language.OTHER, True)


def test_german_and_english_are_told_apart_on_texts_never_trained_on(classifier: LinearClassifier) -> None:
    held = [row for row in load_corpus() if row.held_out]
    found = classifier.classify([TextInput(row.text) for row in held], explain=False)
    right = sum(answer.language is row.language for answer, row in zip(found, held, strict=True))
    assert right / len(held) > 0.985


@pytest.mark.parametrize("text", ["", "   ", "😀👍", "12345", "@ # !!", "\x00", "lol", "ok"])
def test_what_says_nothing_has_no_language(classifier: LinearClassifier, text: str) -> None:
    found = classifier.classify([TextInput(text)])[0]
    assert (found.language, found.abstained) == (Language.UNDETERMINED, True)


def test_what_the_channel_declares_decides_only_where_the_text_does_not(classifier: LinearClassifier) -> None:
    assert language(classifier, "ok", "de-AT") is Language.GERMAN
    assert language(classifier, "ok", "en_GB") is Language.ENGLISH
    assert language(classifier, "ok", "fr") is Language.OTHER
    assert language(classifier, "ok", "und") is Language.UNDETERMINED
    assert language(classifier, "Mein Paket ist immer noch nicht da", "en") is Language.GERMAN
    assert language(classifier, "Where is my parcel, it should have been here on Monday", "de") is Language.ENGLISH
    assert language(classifier, "", "de") is Language.UNDETERMINED


def test_a_german_text_with_english_words_stays_german(classifier: LinearClassifier) -> None:
    assert language(classifier, "Euer Support Team ist echt nice, aber das Update crasht") is Language.GERMAN
