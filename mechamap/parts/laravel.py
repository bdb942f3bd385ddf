"""What Laravel is asked over HTTP: whose a token is, who may join a channel, what to store."""

from mechamap.auth.channel_authorization import ChannelAuthorization
from mechamap.auth.channel_laravel import LaravelChannels
from mechamap.auth.channel_signature import ChannelSignatures
from mechamap.auth.pusher import AppRegistry
from mechamap.auth.sanctum import Sanctum
from mechamap.auth.sanctum_http import VERIFY_PATH, SanctumByLaravel
from mechamap.auth.sanctum_modes import SanctumModes
from mechamap.domain.credentials import ChannelAuth
from mechamap.laravel.client import LaravelClient
from mechamap.laravel.group_messages import LaravelGroupMessages
from mechamap.settings import SanctumMode, Settings
from mechamap.store.laravel.directory import LaravelDirectory
from mechamap.store.laravel.tokens import TokenRows

from .cluster import Cluster


def build_sanctum(
    settings: Settings, cluster: Cluster, rows: TokenRows, directory: LaravelDirectory
) -> SanctumModes:
    """Who verifies Sanctum tokens."""
    by_laravel = None
    if settings.laravel_api_url is not None and settings.sanctum_mode is not SanctumMode.DB:
        by_laravel = SanctumByLaravel(
            LaravelClient(f"{settings.laravel_api_url}{VERIFY_PATH}"),
            settings.laravel_api_key,
            settings.sanctum_cache_seconds,
            cluster.shared_users(),
        )
    return SanctumModes(settings.sanctum_mode, Sanctum(rows, settings), by_laravel, directory.available)


def build_authorization(settings: Settings, apps: AppRegistry) -> ChannelAuthorization | None:
    """Who decides on channels in our rules' stead, if anyone."""
    signatures, ways = ChannelSignatures(apps), settings.channel_auth
    url, asked = settings.broadcasting_auth_url, None
    if ChannelAuth.LARAVEL in ways and url is not None:
        asked = LaravelChannels(LaravelClient(url), signatures)
    known = {ChannelAuth.SIGNATURE: signatures, ChannelAuth.LARAVEL: asked}
    others = [known[way] for way in ways if way is not ChannelAuth.RULES]
    if not others:
        return None
    signed = ChannelAuth.SIGNATURE in ways
    return ChannelAuthorization(others, by_rules=ChannelAuth.RULES in ways, again=asked, signed=signed)


def build_group_messages(settings: Settings) -> LaravelGroupMessages | None:
    """Who stores what pages of groups send, if anyone."""
    path, key = settings.laravel_group_message_path, settings.laravel_api_key
    if path is None or key is None:
        return None
    return LaravelGroupMessages(LaravelClient(f"{settings.laravel_api_url}{path}", once=True), key)
