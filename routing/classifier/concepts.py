"""What kind of thing a term of the lexicon is about: between single words and departments.

A text that says "canceled" and "tarmac" and one that says "Ausfall" and "Gleis" share no word, but the concepts late
and travel, so what was learned from one holds for the other. Each term has up to three, the strongest first. The order
of the codes is part of the model format.
"""

CONCEPTS = {
    "dl": "late, waiting, cancelled, missed, queue",
    "df": "broken, error, crash, does not work, slow, outage, bad quality",
    "cn": "condition of place or vehicle or product in use: dirt, smell, heat, cold, noise, crowded, seat, "
    "toilet, uncomfortable, taste",
    "lo": "lost, missing, stolen, damaged goods; luggage, parcel, delivery",
    "ac": "account, login, password, settings, app or website use, how-to, function, update",
    "bi": "bill, charge, refund, claim, compensation, payment, contract cancellation",
    "sf": "staff and support: crew, driver, conductor, agent, hotline, counter, customer service, contact, answer",
    "th": "thanks, praise, friendly, helpful, reliable, satisfied",
    "an": "anger, insult, curse, frustration, complaint, disappointment",
    "rq": "asking for help or information: please, how do I, can you, need, tell me, question",
    "pc": "price, cost, expensive, cheap, fare, fee, afford, money amounts",
    "of": "offer, discount, deal, promo, voucher, sale, free of charge, competition prize",
    "bu": "buy, order, book, choose, want to have, wish list",
    "av": "available, stock, release, launch, pre-order, shop, opening hours, coming out",
    "pl": "product variants, tariffs, tickets, passes, plans, models, conditions of use before purchase",
    "cp": "comparison, competitor, alternative, switching, better than",
    "jo": "job, vacancy, applying, recruiter, interview, hiring, career, CV",
    "py": "salary, wage, overtime pay, bonus, holiday entitlement, benefits, pension",
    "bs": "boss, manager, colleagues, team, leadership, atmosphere, culture, promotion, appreciation",
    "wk": "working: shift, hours, workload, home office, contract, dismissal, notice, sick note, works council, tasks",
    "tr": "training, apprentice, internship, trainee, student job, onboarding",
    "nw": "news reporting: announces, says, according to, report, statement, breaking, headline words",
    "ex": "executives, board, founder, company structure, merger, strategy, restructuring, headquarters",
    "fi": "stock, profit, turnover, billions, investor, market, economy, taxes",
    "po": "politics, government, minister, party, law, court, police, authority, regulation",
    "sk": "strike, union, collective bargaining",
    "cr": "accident, crash, fire, crime, danger, safety, victims, emergency",
    "sc": "scandal, fraud, data leak, fine, lawsuit, boycott, ethics, discrimination, human rights, "
    "animal welfare, environment, climate",
    "ad": "advertising, campaign, slogan, sponsor, event, conference, charity, donation, exhibition, award, celebrity",
    "md": "media: journalist, newspaper, TV, radio, press, article, podcast, film crew",
    "vd": "verdict on a company as such: joke, clown, monopoly, best/worst company, overrated, iconic, ripoff, "
    "incompetent",
    "fa": "fan talk, enthusiasm, cool, love it, excited, awesome",
    "tc": "technology: devices, software, networks, research, innovation, engineering, construction, "
    "vehicles as products",
    "fd": "food, drink, cooking, restaurants",
    "fm": "family, friends, love, pets, home, neighbours, children",
    "ls": "leisure: music, books, films, sport, games, hobby, party, holiday mood, art",
    "wx": "weather, season, nature, animals, garden",
    "fe": "feelings, body, health, sleep, dreams, private mood",
    "ed": "school, university, exams, science, languages",
    "rl": "religion, philosophy, society, history, war, quotes about life",
    "sp": "spam: earn money online, crypto, followers, adult, affiliate, course ads, SEO",
    "cl": "classified ads, second hand, private sale, collector, flat hunting, lost and found",
    "gr": "greeting, thanks in passing, small talk, interjection, laughter, chat slang",
    "ag": "phrases of a company's own support or announcements: apologise, we regret, please send us, our team, "
    "currently, line notice",
    "tv": "travel and transport: flight, train, station, route, airport, hotel, car traffic",
    "rt": "retail, clothes, furniture, household goods, cosmetics",
    "bk": "bank, insurance, telecom, energy, post as an industry",
    "pp": "place names, regions, countries, addresses",
    "tm": "time and dates, numbers, frequency, again, since, always",
    "hu": "humour, irony, exaggeration, memes",
}
"""Code and meaning."""

MOST_CONCEPTS = 3
"""Per term."""

NUMBERS = {code: number for number, code in enumerate(CONCEPTS, start=1)}
"""The number of a code in arrays; 0 is none."""
