"""Language detection: German, English, another one, or none that can be told."""

from collections.abc import Sequence

import pytest

from silofrei.routing.classifier.corpus_rows import Row
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

FRESH = {
    "sq": "Faleminderit për ndihmën, por fatura ime është ende e gabuar",
    "eu": "Egun on, noiz irekiko duzue denda berria Bilbon?",
    "br": "Demat deoc'h, pegoulz e tigoro ar stal nevez?",
    "cy": "Mae'r trên yn hwyr eto a does neb yn ateb y ffôn",
    "ga": "Tá an traein déanach arís inniu, níl sé seo maith go leor",
    "et": "Minu tellimus pole ikka veel kohal, palun vastake",
    "lv": "Kad beidzot piegādāsiet manu pasūtījumu?",
    "lt": "Kada pagaliau pristatysite mano užsakymą?",
    "sk": "Dobrý deň, kedy mi konečne vrátite peniaze za lístok?",
    "sl": "Kdaj mi boste vrnili denar za vozovnico?",
    "sr": "Zašto mi niko ne odgovara na poruke već nedelju dana?",
    "uk": "Коли ви нарешті повернете мені гроші за квиток?",
    "is": "Hvenær kemur pakkinn minn eiginlega? Ég er búin að bíða í tvær vikur",
    "mt": "Il-kont tiegħi ma jaħdimx mil-bieraħ, tistgħu tgħinuni?",
    "vi": "Bao giờ thì tôi mới nhận được hàng vậy shop?",
    "tl": "Kailan po ba darating ang order ko, dalawang linggo na",
    "sw": "Pesa yangu bado haijarudishwa, naomba msaada tafadhali",
    "zh": "我的快递到底什么时候才能送到?",
    "ko": "제 택배는 도대체 언제 도착하나요?",
    "th": "พัสดุของฉันจะมาถึงเมื่อไหร่",
    "he": "מתי תגיע החבילה שלי? אני מחכה כבר שבוע",
    "fa": "بسته من کی می\u200cرسد؟ یک هفته است که منتظرم",
    "fr": "Bonjour, mon colis n'est toujours pas arrivé, que dois-je faire ?",
    "es": "Llevo dos semanas esperando la devolución del dinero",
    "it": "Buongiorno, quando riaprite il negozio in centro?",
    "nl": "Wanneer krijg ik mijn geld terug? Ik wacht al drie weken",
    "pl": "Czy ktoś wie, kiedy otworzą nowy sklep w centrum?",
    "pt": "Quanto custa o bilhete para duas pessoas?",
    "sv": "Hur mycket kostar det att byta biljett?",
    "da": "Hvornår åbner I den nye butik i byen?",
    "no": "Hva koster det å endre billetten?",
    "fi": "Paljonko lippu maksaa kahdelle aikuiselle?",
    "tr": "Yeni mağaza ne zaman açılacak, bilen var mı?",
    "hu": "Mennyibe kerül a jegy két felnőttnek?",
    "cs": "Kolik stojí lístek pro dva dospělé?",
    "ro": "Cât costă biletul pentru două persoane?",
}
"""Written after the word lists, and never used to make them."""


@pytest.fixture(scope="module")
def classifier() -> LinearClassifier:
    return load_classifier(Thresholds())


def language(classifier: LinearClassifier, text: str, declared: str | None = None) -> Language:
    return classifier.classify([TextInput(text, declared)], explain=False)[0].language


@pytest.mark.parametrize("tag", OTHERS)
def test_another_language_is_told_and_abstained_from(classifier: LinearClassifier, tag: str) -> None:
    found = classifier.classify([TextInput(OTHERS[tag])])[0]
    assert (found.language, found.abstained) == (Language.OTHER, True)


def test_other_languages_are_told_in_sentences_that_no_list_was_made_with(classifier: LinearClassifier) -> None:
    found = classifier.classify([TextInput(text) for text in FRESH.values()], explain=False)
    taken = [tag for tag, answer in zip(FRESH, found, strict=True) if not answer.abstained]
    assert len(taken) <= 2, f"routed as German or English: {taken}"
    assert sum(answer.language is Language.OTHER for answer in found) >= len(FRESH) - 3


def test_german_and_english_are_told_apart_on_texts_never_trained_on(
    classifier: LinearClassifier, corpus: Sequence[Row]
) -> None:
    held = [row for row in corpus if row.held_out]
    found = classifier.classify([TextInput(row.text) for row in held], explain=False)
    right = sum(answer.language is row.language for answer, row in zip(found, held, strict=True))
    assert right / len(held) > 0.985


@pytest.mark.parametrize("text", ["", "   ", "😀👍", "12345", "@ # !!", "\x00", "haha", "ok"])
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
