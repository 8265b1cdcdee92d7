"""The desk in a real browser: a department's day, in German and English, on a screen and on a phone."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 390, "height": 844}


async def test_a_morning_in_service(open_page: Any, shot: Any) -> None:
    """Take the top ticket, read it, hand it over with a reason; take the next one and resolve it."""
    page = await open_page("/")
    await shot(page, "desk-1280-welcome")
    await page.get_by_label("Your name").fill("Anna")
    await page.get_by_role("button", name="Begin").click()
    await expect(page.get_by_role("status").filter(has_text="Welcome!")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/$"))

    await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Service").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Service")
    rows = page.locator(".rows > li")
    await expect(rows).to_have_count(50)
    await expect(rows.first).to_contain_text("12 mins overdue")
    await expect(rows.first).to_contain_text("Ich brauche das Paket bis Freitag.")
    await shot(page, "desk-1280-queue")
    await page.get_by_role("button", name="Take the most urgent").click()

    await expect(page.get_by_role("heading", level=1)).to_have_text("Jana Krämer")
    await expect(page.get_by_text("You are working on this")).to_be_visible()
    await expect(page.locator(".mention")).to_have_count(3)
    await expect(page.locator("mark.service")).to_have_text(
        ["warte ich auf mein Paket", "Sendungsverfolgung", "Bestellung"]
    )
    await expect(page.locator(".mention").nth(1)).to_contain_text("edited")
    await expect(page.locator(".mention").nth(2)).to_contain_text("Deleted by its author on")
    await expect(page.get_by_text("das Letzte")).to_have_count(0)
    await expect(page.locator(".why tr.best")).to_contain_text(re.compile(r"Service\s+91%"))
    await expect(page.get_by_text("also for PR")).to_be_visible()
    link = page.get_by_role("link", name="Open on Facebook").first
    assert await link.get_attribute("href") == "https://social.example/facebook/101"
    assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
    await shot(page, "desk-1280-ticket")

    await page.locator("summary", has_text="Hand over").click()
    await expect(page.get_by_label("Note")).to_be_hidden()
    await page.get_by_label("To which department?").select_option(label="PR")
    await page.get_by_label("Reason").locator("visible=true").fill("A journalist asks about it, see thread")
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.get_by_text("The ticket was handed over.")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Service")
    await page.goto("/queue/service")
    await page.get_by_role("button", name="Take the most urgent").click()
    address = page.url.partition("?")[0]
    await page.get_by_role("button", name="Resolve", exact=True).click()
    assert page.url.partition("?")[0] == address, "the browser asks for the outcome first"
    await page.get_by_role("radio", name="Solved").check()
    await page.get_by_label("Note").fill("Sent a new one, <b>free of charge</b>.")
    await page.get_by_role("button", name="Resolve", exact=True).click()
    await expect(page.get_by_text("The ticket is resolved.")).to_be_visible()
    await page.goto(address)
    await expect(page.locator(".state")).to_contain_text(re.compile(r"Resolved: Solved\s+by Anna@desk · just now"))
    await expect(page.locator(".state .typed")).to_have_text("Sent a new one, <b>free of charge</b>.")
    await expect(page.get_by_role("button", name="Resolve")).to_have_count(0)
    await shot(page, "desk-1280-resolved")


async def hand_over(page: Any, to: str, reason: str) -> None:
    await page.locator("summary", has_text="Hand over").click()
    await page.get_by_label("To which department?").select_option(label=to)
    await page.get_by_label("Reason").locator("visible=true").fill(reason)
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.get_by_text("The ticket was handed over.")).to_be_visible()


async def test_the_receiving_department_reads_who_handed_it_over_and_why(open_page: Any, shot: Any) -> None:
    """Triage hands over to Service, Service to PR; a person in PR reads both reasons and answers."""
    anna = await open_page("/queue/triage", name="Anna")
    await anna.get_by_role("button", name="Take the most urgent").click()
    await hand_over(anna, "Service", "Sounds like a delayed train")
    await anna.goto("/queue/service")
    await anna.locator(".rows > li", has_text="ohne_namen").get_by_role("link").click()
    await anna.get_by_role("button", name="Take this ticket").click()
    await hand_over(anna, "PR", "The <b>Abendblatt</b> asks about it.\nPlease call before 4 pm: they print tonight.")

    clara = await open_page("/queue/pr", name="Clara", locale="de-DE")
    row = clara.locator(".rows > li", has_text="ohne_namen")
    await expect(row.locator(".handed-line")).to_have_text(
        re.compile("von Service: The <b>Abendblatt</b> asks about it. Please")
    )
    await shot(clara, "desk-1280-handed-over-queue")
    await row.get_by_role("link").click()
    handed = clara.get_by_role("region", name="Übergeben von Service")
    await expect(handed).to_contain_text(re.compile(r"Anna@desk · gerade eben"))
    await expect(handed.locator(".typed").first).to_have_text(
        "The <b>Abendblatt</b> asks about it. Please call before 4 pm: they print tonight."
    )
    await expect(handed.get_by_text("Sounds like a delayed train")).to_be_hidden()
    await handed.get_by_text("1 frühere Übergabe").click()
    await expect(handed.get_by_text("Sounds like a delayed train")).to_be_visible()
    await expect(handed.get_by_text("Sichtung → Service")).to_be_visible()
    await shot(clara, "desk-1280-handed-over")
    await clara.set_viewport_size(PHONE)
    await shot(clara, "desk-390-handed-over")
    assert await clara.evaluate(WEAK_TEXTS) == []


async def test_a_confidential_reason_is_for_whoever_takes_the_ticket(open_page: Any, shot: Any) -> None:
    anna = await open_page("/queue/hr", name="Anna")
    await anna.get_by_role("button", name="I work in HR").click()
    await anna.get_by_role("button", name="Take the most urgent").click()
    await hand_over(anna, "PR", "He was dismissed, do not answer in public")
    clara = await open_page("/queue/pr", name="Clara")
    row = clara.locator(".rows > li", has_text="M. Yıldız")
    await expect(row.locator(".handed-line")).to_have_text("from HR")
    await row.get_by_role("link").click()
    handed = clara.get_by_role("region", name="Handed over from HR")
    await expect(handed).to_contain_text("The reason is confidential; whoever holds the ticket reads it here.")
    await expect(clara.get_by_text("He was dismissed")).to_have_count(0)
    await shot(clara, "desk-1280-handed-over-confidential")
    await clara.get_by_role("button", name="Take this ticket").click()
    await expect(handed).to_contain_text("He was dismissed, do not answer in public")


async def test_resolve_and_take_the_next_without_going_back(open_page: Any) -> None:
    page = await open_page("/queue/sales", name="Ben")
    await page.get_by_role("button", name="Take the most urgent").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Northmill Logistics")
    await expect(page.locator(".why")).to_contain_text("By the rule big-orders")
    await page.get_by_role("radio", name="Lead").check()
    await page.get_by_role("button", name="Resolve, take next").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Kira Löwe")
    await page.get_by_role("radio", name="Answered").check()
    await page.get_by_role("button", name="Resolve, take next").click()
    await expect(page.get_by_text("Nothing is waiting here.")).to_be_visible()


async def test_what_people_write_is_text_and_nothing_else(open_page: Any, shot: Any) -> None:
    page = await open_page("/queue/service", name="Anna")
    title = await page.title()
    row = page.locator(".rows > li", has_text="Mallory")
    await expect(row).to_contain_text('<script>document.title="owned"</script> "><img src=x onerror=')
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("<b>Mallory</b>")
    await expect(page.locator(".mention .body")).to_contain_text("{{7*7}} & Grüße")
    await expect(page.locator("mark")).to_have_text("script")
    await expect(page.locator("code", has_text="javascript:alert(1)")).to_be_visible()
    assert await page.locator("main img, main script, a[href^='javascript']").count() == 0
    assert "owned" not in title + await page.title()
    await shot(page, "desk-1280-hostile")


async def test_german_from_the_browser_and_english_by_choice(open_page: Any, shot: Any) -> None:
    page = await open_page("/queue/service", locale="de-AT", color_scheme="dark")
    assert await page.locator("html").get_attribute("lang") == "de"
    await expect(page.locator(".rows > li").first).to_contain_text("12 Min. überfällig")
    await expect(page.get_by_role("button", name="Dringendstes übernehmen")).to_be_visible()
    await page.get_by_role("button", name="Dringendstes übernehmen").click()
    assert page.url.endswith("/queue/service"), "the browser asks for the name first"
    await page.get_by_label("Ihr Name").fill("Jürgen")
    await page.get_by_role("button", name="Dringendstes übernehmen").click()
    await expect(page.get_by_text("Sie arbeiten daran")).to_be_visible()
    await expect(page.locator(".mention").first).to_contain_text(re.compile(r"Kommentar · vor 4\sStd\.\s12\sMin\."))
    await shot(page, "desk-1280-ticket-german-dark")
    await page.get_by_role("link", name="EN", exact=True).click()
    await expect(page.get_by_text("You are working on this")).to_be_visible()
    await page.goto("/")
    assert await page.locator("html").get_attribute("lang") == "en", "the choice is remembered"
    await expect(page.locator(".rows")).to_contain_text("Jürgen@desk")


async def test_two_people_never_hold_the_same_ticket(open_page: Any, shot: Any) -> None:
    anna = await open_page("/queue/pr", name="Anna")
    ben = await open_page("/queue/pr", name="Ben")
    await anna.locator(".rows a").first.click()
    await ben.locator(".rows a").first.click()
    await anna.get_by_role("button", name="Take this ticket").click()
    await expect(anna.get_by_text("You are working on this")).to_be_visible()
    await ben.get_by_role("button", name="Take this ticket").click()
    await expect(ben.get_by_role("alert")).to_contain_text("Somebody else was faster")
    await expect(ben.locator(".state")).to_contain_text("With Anna@desk")
    await expect(ben.get_by_role("button", name="Resolve")).to_have_count(0)
    await shot(ben, "desk-1280-taken")


async def test_what_was_typed_is_not_lost_when_the_ticket_was_lost(open_page: Any, shot: Any) -> None:
    """The same person in two windows gives the ticket back in one and resolves in the other."""
    page = await open_page("/queue/service", name="Anna")
    await page.get_by_role("button", name="Take the most urgent").click()
    other = await page.context.new_page()
    await other.goto(page.url)
    await other.locator("summary", has_text="Give back").click()
    await other.get_by_role("button", name="Give back to the queue").click()
    await expect(other.get_by_text("The ticket is back in its queue.")).to_be_visible()
    await page.get_by_role("radio", name="Answered").check()
    await page.get_by_label("Note").fill("A long answer that took ten minutes.")
    await page.get_by_role("button", name="Resolve", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("Nobody holds this ticket any more")
    await expect(page.get_by_label("What you wrote")).to_have_value("A long answer that took ten minutes.")
    await expect(page.get_by_role("button", name="Take this ticket")).to_be_visible()
    await shot(page, "desk-1280-lost")


async def test_numbers_and_lists_follow_without_a_reload(open_page: Any) -> None:
    watching = await open_page("/queue/triage", name="Anna")
    await expect(watching.locator(".rows > li")).to_have_count(1)
    working = await open_page("/queue/triage", name="Ben")
    await working.get_by_role("button", name="Take the most urgent").click()
    await expect(watching.locator("h1 + .summary")).to_contain_text("0 waiting", timeout=15_000)
    await expect(watching.get_by_text("Nothing is waiting. New tickets appear here by themselves.")).to_be_visible()
    await expect(watching.locator(".rows.quiet")).to_contain_text("Ben@desk")
    await working.locator("summary", has_text="Give back").click()
    await working.get_by_role("button", name="Give back to the queue").click()
    await expect(watching).to_have_title("(1) Triage · Silofrei", timeout=15_000)
    await expect(watching.locator(".rows > li")).to_have_count(1)


async def test_the_lease_runs_down_and_can_be_extended(open_page: Any) -> None:
    page = await open_page("/queue/service", name="Anna")
    await page.get_by_role("button", name="Take the most urgent").click()
    left = page.locator("[data-left]")
    await expect(left).to_have_text(re.compile(r"^14:5\d$"))
    before = await left.inner_text()
    await expect(left).not_to_have_text(before)
    await page.get_by_role("button", name="Extend").click()
    await expect(page.get_by_text("Your lease runs anew from now.")).to_be_visible()


async def test_a_confidential_queue_asks_first_and_is_honest(open_page: Any, shot: Any) -> None:
    page = await open_page("/queue/hr", name="Anna")
    await expect(page.get_by_text("There is no sign-in yet, so Silofrei cannot check that.")).to_be_visible()
    await expect(page.get_by_text("beworben")).to_have_count(0)
    await shot(page, "desk-1280-confidential")
    await page.get_by_role("button", name="I work in HR").click()
    await expect(page.locator(".rows")).to_contain_text("Ich habe mich vor sechs Wochen beworben")
    await expect(page.get_by_text("HR is confidential. There is no sign-in yet")).to_be_visible()


async def test_without_javascript_everything_works(open_page: Any) -> None:
    page = await open_page("/queue/service", name="Anna", java_script_enabled=False)
    await page.get_by_role("button", name="Take the most urgent").click()
    await expect(page.get_by_text("You are working on this")).to_be_visible()
    await page.locator("summary", has_text="Hand over").click()
    await page.get_by_label("To which department?").select_option(label="Sales")
    await page.get_by_label("Reason").locator("visible=true").fill("Wants to buy")
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.get_by_text("The ticket was handed over.")).to_be_visible()


async def test_by_keyboard_alone(open_page: Any) -> None:
    page = await open_page("/queue/sales", name="Anna")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Take the most urgent")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("You are working on this")).to_be_visible()


async def test_a_link_from_elsewhere_keeps_open_forms_valid(open_page: Any, desk: str) -> None:
    """The browser holds the session back on such a visit; the forms in other windows must survive that."""
    page = await open_page("/queue/service", name="Anna")
    await page.route(
        "http://chat.example/",
        lambda route: route.fulfill(body=f"<a href='{desk}/queue/pr'>look</a>", content_type="text/html"),
    )
    other = await page.context.new_page()
    await other.route(
        "http://chat.example/",
        lambda route: route.fulfill(body=f"<a href='{desk}/queue/pr'>look</a>", content_type="text/html"),
    )
    await other.goto("http://chat.example/")
    await other.get_by_role("link", name="look").click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("PR")
    await page.get_by_role("button", name="Take the most urgent").click()
    await expect(page.get_by_text("You are working on this")).to_be_visible()


async def test_a_form_on_another_site_is_refused(open_page: Any, desk: str) -> None:
    page = await open_page("/queue/service", name="Anna")
    evil = (
        f"<form method=post action='{desk}/queue/service/take'><input name=csrf value=guess><button>win</button></form>"
    )
    other = await page.context.new_page()
    await other.route("http://evil.example/", lambda route: route.fulfill(body=evil, content_type="text/html"))
    await other.goto("http://evil.example/")
    async with other.expect_response(re.compile("/take$")) as answer:
        await other.get_by_role("button", name="win").click()
    assert (await answer.value).status == 403
    await expect(other.get_by_role("heading", level=1)).to_have_text("This form is no longer valid")
    await page.reload()
    await expect(page.locator(".summary")).to_contain_text("65 waiting")


async def test_the_report(open_page: Any, shot: Any) -> None:
    page = await open_page("/report?period=all", name="Anna")
    await expect(page.locator(".tiles")).to_contain_text("240")
    await expect(page.locator(".cards tbody tr")).to_have_count(5)
    await expect(page.locator(".matrix .heat-5").first).to_be_visible()
    await shot(page, "desk-1280-report")
    await page.get_by_role("link", name="Today").click()
    await expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "true")
    await page.get_by_label("From").fill("2001-01-01")
    await page.get_by_label("to", exact=True).fill("2001-12-31")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_text("Nothing of this period is on record yet.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone(open_page: Any, shot: Any, scheme: str) -> None:
    """All pages fit a phone, and the day's work can be done on one."""
    page = await open_page("/", name="Maximiliane-Friederike", locale="de-DE", color_scheme=scheme, **PHONE)
    await shot(page, f"desk-390-{scheme}-overview")
    for path in ("me", "queue/hr", "report", "nowhere"):
        await page.goto(f"/{path}")
        await shot(page, f"desk-390-{scheme}-{path.replace('/', '-')}")
    await page.goto("/queue/service")
    await shot(page, f"desk-390-{scheme}-queue")
    await page.get_by_role("button", name="Dringendstes übernehmen").click()
    await expect(page.get_by_text("Sie arbeiten daran")).to_be_visible()
    await page.locator("summary", has_text="Übergeben").click()
    await shot(page, f"desk-390-{scheme}-ticket")
    await page.get_by_label("An welche Abteilung?").select_option(label="Presse")
    await page.get_by_label("Begründung").locator("visible=true").fill("Die Zeitung fragt nach.")
    await page.get_by_role("button", name="Übergeben").click()
    await expect(page.get_by_text("Das Ticket ist übergeben.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/queue/service", "/report?period=all", "/me", "ticket"])
async def test_texts_stand_out_from_their_background(open_page: Any, scheme: str, path: str) -> None:
    """Contrast of at least 4.5 : 1 (WCAG 2.2 AA) for every text that is shown."""
    page = await open_page("/queue/service" if path == "ticket" else path, name="Anna", color_scheme=scheme)
    if path == "ticket":
        await page.get_by_role("button", name="Take the most urgent").click()
        await expect(page.get_by_text("You are working on this")).to_be_visible()
    assert await page.evaluate(WEAK_TEXTS) == []


WEAK_TEXTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colours) => {
    canvas.fillStyle = "#fff";
    canvas.fillRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || element.closest(".skip, .sr, [hidden]") || !element.checkVisibility()) continue;
    const backgrounds = [];
    for (let at = element; at; at = at.parentElement) backgrounds.unshift(getComputedStyle(at).backgroundColor);
    const behind = rgb(backgrounds);
    const ink = rgb([...backgrounds, getComputedStyle(element).color]);
    const [high, low] = [light(ink), light(behind)].sort((a, b) => b - a);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) weak.push(`${text.slice(0, 30)}: ${contrast.toFixed(2)} (${element.className})`);
  }
  return [...new Set(weak)];
}"""
