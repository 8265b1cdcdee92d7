"""The corpus and the lexicon: valid labels, no repeats, no real companies, a tenth that stays out of training."""

import re
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files

import pytest

from silofrei.routing.classifier.concepts import MOST_CONCEPTS
from silofrei.routing.classifier.corpus_rows import Row, near_repeats, parse_rows
from silofrei.routing.classifier.lexicon import MAX_WORDS, Term, compile_lexicon, read_terms
from silofrei.schemas.names import Label, Language, Sentiment

_NAMES = """
lufthansa ryanair easyjet eurowings jetblue qantas klm wizzair boeing airbus telekom vodafone unitymedia
congstar swisscom verizon comcast telstra aldi lidl rewe edeka kaufland rossmann zalando ikea mediamarkt
hornbach amazon ebay paypal klarna airbnb netflix spotify facebook instagram whatsapp tiktok youtube linkedin
twitter google microsoft samsung iphone ipad xiaomi nintendo playstation xbox volkswagen mercedes bmw tesla
toyota hyundai bosch siemens miele stihl adidas zara primark starbucks mcdonald mcdonalds walmart costco tesco
sainsbury asda commerzbank postbank sparda barclays lloyds hsbc revolut monzo allianz huk generali bahncard
flixbus öbb sbb db_bahn dhl hermes dpd fedex spiegel_abo handelsblatt zdf ard reuters bbc kununu glassdoor musk
zuckerberg bezos weselsky
adobe aliexpress alitalia americanair amtrak androidpay argos astrazeneca audible audi axa barmer bayer birkenstock
bio_company biontech bloomberg britishairways cadillac chanel chevrolet chrysler citibank citroen cnn commerzbank
craigslist dazn decathlon deichmann deliveroo delta_air deutschebank disney doordash douglas dyson electrolux
emirates etihad etsy europcar expedia exxon ferrari ferrero fiat finnair foxnews gazprom gmail googlepay grubhub
gucci haribo heineken hellofresh henkel hertz hilton honda huawei hulu hyatt indeed_com infineon itunes jaguar_cars
karstadt kaufhof kellogg kickstarter kindle krupp lamborghini lavazza lego levis lieferando lindt lyft marlboro marriott
mastercard mazda merck milka mitsubishi morrisons motorola natwest nestle nestlé netflixandchill nintendo nissan nivea
nokia novartis nutella nytimes ocado openai opel passat paypal pepsi peugeot pfizer philips pinterest playmobil
porsche prada prime_day qatarairways redbull reddit reebok renault revolut roche rolex royalmail rtl rtlplus santander
saturn schlecker sephora skoda skype snapchat southwestair sparhandy stepstone subaru swarovski t-mobile tchibo
thyssenkrupp tinder tripadvisor trivago trustpilot tupperware uber uniqlo unilever usps vattenfall vinted volvo
vorwerk waitrose walgreens wayfair whole_foods wikipedia wirecard xing yahoo yelp
"""
REAL_NAMES = tuple(_NAMES.split())
HOMONYMS = ("tesla coil", "the amazon is")
"""Where a word from the list is meant as something else."""


def named(text: str) -> list[str]:
    folded = text.lower()
    for meant in HOMONYMS:
        folded = folded.replace(meant, "")
    # Most texts have none of them; only then is it asked whether one stands alone.
    return [
        name
        for name in REAL_NAMES
        if name in folded and re.search(rf"(?<![^\W_]){re.escape(name)}(?:s|['’]s)?(?![^\W_])", folded)
    ]


def test_both_languages_and_all_labels_are_there_in_number(corpus: Sequence[Row]) -> None:
    counts = Counter((row.language, row.label) for row in corpus)
    assert set(counts) == {(language, label) for language in (Language.GERMAN, Language.ENGLISH) for label in Label}
    assert min(counts.values()) > 1000
    assert len(corpus) >= 20_000


def test_secondary_departments_are_others_than_the_first(corpus: Sequence[Row]) -> None:
    assert not [row for row in corpus if row.label in row.secondary or Label.NONE in row.secondary]
    assert sum(bool(row.secondary) for row in corpus) > 100


def test_thousands_of_texts_were_judged_for_mood_and_urgency(corpus: Sequence[Row]) -> None:
    judged = [row for row in corpus if row.mood is not None]
    assert all((row.urgent is None) == (row.mood is None) for row in corpus)
    for language in (Language.GERMAN, Language.ENGLISH):
        counts = Counter(row.mood for row in judged if row.language is language)
        assert min(counts[sentiment] for sentiment in Sentiment) > 400
    assert 0.1 < sum(bool(row.urgent) for row in judged) / len(judged) < 0.4


@pytest.mark.slow
def test_no_text_is_there_twice(corpus: Sequence[Row]) -> None:
    assert near_repeats([row.text for row in corpus]) == []


def test_near_repeats_are_found() -> None:
    texts = [
        "Mein Zug kommt heute wieder nicht, danke für nichts",
        "Was kostet das Abo?",
        "mein zug kommt heute wieder nicht danke für nichts!!",
        "👍",
        "was kostet das abo",
        "Wo ist mein Paket",
        "👍",
    ]
    assert near_repeats(texts) == [(0, 2), (1, 4), (3, 6)]


def test_the_names_of_companies_are_made_up(corpus: Sequence[Row]) -> None:
    found = {row.text: names for row in corpus if (names := named(row.text))}
    assert found == {}


def test_a_real_name_would_be_noticed() -> None:
    assert named("Danke @DB_Bahn und #lufthansa") == ["lufthansa", "db_bahn"]
    assert named("Lufthansas Streik, Ryanair's fees, Netflix-Abo, @USPS") == [
        "lufthansa",
        "ryanair",
        "netflix",
        "usps",
    ]
    assert named("a tesla coil at the museum") == []


def test_a_tenth_is_held_out_whatever_else_is_in_the_corpus(corpus: Sequence[Row]) -> None:
    held = [row for row in corpus if row.held_out]
    assert 0.08 < len(held) / len(corpus) < 0.12
    assert len({row.label for row in held}) == len(Label)
    again = Row(held[0].text, Label.HR, (), Language.ENGLISH)
    assert again.held_out  # hangs on the text alone


def test_rows_say_their_language_where_the_file_does_not() -> None:
    rows = parse_rows(['{"text": "Hallo", "label": "none", "lang": "de"}'])
    assert rows == [Row("Hallo", Label.NONE, (), Language.GERMAN)]


def test_the_lexicon_is_in_order_and_reads_as_it_is_written() -> None:
    terms = read_terms()
    assert set(terms) == {Language.GERMAN, Language.ENGLISH}
    for language, rows in terms.items():
        lines = (files("silofrei.routing.classifier") / "hints" / f"{language}.tsv").read_text().splitlines()
        assert len(lines) == len(rows) + 1, "a term is there twice"
        assert list(rows) == sorted(rows)
        assert all(term == term.strip().lower() for term in rows)
        for term, (hints, concepts) in rows.items():
            assert len(hints) == len(Label), term
            assert set(hints) <= {0, 1, 2, 3}, term
            assert len(set(concepts)) == len(concepts) <= MOST_CONCEPTS, term
            assert any(hints) or concepts, f"{term}: nothing is known of it"
    assert sum(map(len, terms.values())) > 25_000
    assert len(compile_lexicon(terms)) > 25_000


def test_the_lexicon_names_no_company_either() -> None:
    found = {term: names for rows in read_terms().values() for term in rows if (names := named(term))}
    assert found == {}


def test_a_term_of_too_many_words_is_refused() -> None:
    words = " ".join(["wort"] * (MAX_WORDS + 1))
    with pytest.raises(ValueError, match="has 5 words"):
        compile_lexicon({Language.GERMAN: {words: Term((1, 0, 0, 0, 0))}})
