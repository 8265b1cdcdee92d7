"""Which parser reads which channel."""

from collections.abc import Mapping
from types import MappingProxyType

from silofrei.schemas.names import Channel
from silofrei.streams.channels import Parser
from silofrei.streams.channels.cloudevents import CloudEventsParser
from silofrei.streams.channels.facebook import FacebookParser
from silofrei.streams.channels.instagram import InstagramParser
from silofrei.streams.channels.mastodon import MastodonParser
from silofrei.streams.channels.trustpilot import TrustpilotParser
from silofrei.streams.channels.x import XParser

PARSERS: Mapping[Channel, Parser] = MappingProxyType(
    {
        Channel.FACEBOOK: FacebookParser(),
        Channel.INSTAGRAM: InstagramParser(),
        Channel.X: XParser(),
        Channel.MASTODON: MastodonParser(),
        Channel.TRUSTPILOT: TrustpilotParser(),
        Channel.CLOUDEVENTS: CloudEventsParser(),
    }
)
