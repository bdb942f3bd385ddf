"""What proves who one is: people by their tokens, publishers by keys and apps, operators by passwords."""

from dataclasses import dataclass

from flask import Flask

from mechamap.auth import jwt
from mechamap.auth.authenticator import TokenAuthenticator
from mechamap.auth.blocklist import Blocklist
from mechamap.auth.keyring import BroadcastKeyRing
from mechamap.auth.passwords import Passwords
from mechamap.auth.pusher import AppRegistry
from mechamap.auth.revoking import Revoking
from mechamap.auth.sanctum_modes import SanctumModes
from mechamap.auth.signin import SignIn
from mechamap.domain.commands import Command
from mechamap.settings import Settings
from mechamap.store.apps import Apps
from mechamap.store.blocks import Blocks
from mechamap.store.database import Databases
from mechamap.store.keys import ApiKeys
from mechamap.store.laravel.accounts import Accounts
from mechamap.store.laravel.directory import LaravelDirectory
from mechamap.store.laravel.tokens import TokenRows
from mechamap.store.revocations import Revocations

from .cluster import Cluster
from .laravel import build_sanctum


@dataclass(frozen=True, slots=True)
class Proofs:
    """All of it, of one worker."""

    jwts: jwt.Jwts
    sanctum: SanctumModes
    authenticator: TokenAuthenticator
    revocations: Revocations
    revoking: Revoking
    blocklist: Blocklist
    api_keys: ApiKeys
    keyring: BroadcastKeyRing
    apps: Apps
    registry: AppRegistry
    sign_in: SignIn

    def barred(self, command: Command) -> None:
        """What sign-ins remember of our database is out of date."""
        self.blocklist.forget()
        self.revocations.forget()


def build_proofs(
    app: Flask, settings: Settings, cluster: Cluster, databases: Databases, directory: LaravelDirectory
) -> Proofs:
    jwt.configure(app, settings)
    revocations = Revocations(databases.own, settings.cache_seconds)
    blocklist = Blocklist(Blocks(databases.own))
    jwts = jwt.Jwts(app, settings, revocations)
    rows = TokenRows(databases.laravel, settings, directory.schema)
    sanctum = build_sanctum(settings, cluster, rows, directory)
    authenticator = TokenAuthenticator(jwts, sanctum, directory, revocations, blocklist)
    api_keys = ApiKeys(databases.own)
    apps = Apps(databases.own, settings.secret_key, [app.id for app in settings.apps])
    accounts = Accounts(databases.laravel, directory.schema)
    return Proofs(
        jwts=jwts,
        sanctum=sanctum,
        authenticator=authenticator,
        revocations=revocations,
        revoking=Revoking(authenticator, revocations),
        blocklist=blocklist,
        api_keys=api_keys,
        keyring=BroadcastKeyRing(settings, api_keys),
        apps=apps,
        registry=AppRegistry(settings, apps),
        sign_in=SignIn(accounts, directory, settings.console_roles, Passwords(), settings.secret_key),
    )
