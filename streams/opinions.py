"""The second opinion as the settings want it: from the settings to what asks.

Owns: putting its parts together. Refuses: each part's work (routing/opinion, opinion_endpoint.py).
"""

import time

from silofrei.routing.opinion.asking import Asking
from silofrei.routing.opinion.batches import Opinions
from silofrei.routing.opinion.budget import Budget
from silofrei.routing.opinion.leaving import Leaving
from silofrei.routing.policy import Policy
from silofrei.schemas.config import Config
from silofrei.schemas.settings import ConfigurationError, Settings
from silofrei.streams.opinion_endpoint import ChatEndpoint


def endpoint_of(settings: Settings) -> ChatEndpoint | None:
    """The server of these settings, or None where the second opinion is off."""
    if settings.second_opinion_url is None:
        return None
    return ChatEndpoint(
        settings.second_opinion_url,
        settings.second_opinion_model,
        settings.second_opinion_api_key,
        at_once=settings.second_opinion_at_once,
    )


def opinions_of(settings: Settings, config: Config) -> Opinions | None:
    """Second opinions, or None where they are off.

    Raises:
        ConfigurationError: a brand whose texts may leave is not configured.
    """
    check_brands(settings, config)
    endpoint = endpoint_of(settings)
    if endpoint is None:
        return None
    asking = Asking(
        endpoint,
        model=settings.second_opinion_model,
        thresholds=config.thresholds,
        budget=Budget(settings.second_opinion_per_minute, settings.second_opinion_per_day, time.monotonic),
        at_once=settings.second_opinion_at_once,
        timeout=settings.second_opinion_timeout,
    )
    leaving = Leaving(
        Policy(config),
        hr_from=config.thresholds.secondary.hr,
        hr=settings.second_opinion_hr,
        messages=settings.second_opinion_messages,
        brands=settings.second_opinion_allowed_brands,
    )
    return Opinions(asking, leaving, endpoint.close)


def check_brands(settings: Settings, config: Config) -> None:
    """Refuse brands that do not exist: a slip of the pen would keep all texts here and nobody would know why.

    Raises:
        ConfigurationError: one is not configured.
    """
    unknown = sorted(settings.second_opinion_allowed_brands.difference(config.brands))
    if unknown:
        raise ConfigurationError(
            f"SILOFREI_SECOND_OPINION_BRANDS names {', '.join(unknown)}, which is not configured; use "
            f"{', '.join(config.brands)}, or unset it for all"
        )
