"""MongoDB and RabbitMQ beside the node's pods: with passwords, one user per service, and the secrets that hold them."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient

from libs.engine import access
from libs.engine.sealing.mongo import DATABASE as KEYRING
from libs.localstack.mongo import SET_NAME, ReplicaSet
from libs.localstack.processes import HOST, StackError
from libs.localstack.rabbit import Broker
from libs.registry import SERVICES
from tests.cluster.configuration import ADDRESS, DOMAIN
from tests.cluster.node import Node

NAMESPACE = "kehu"
"""Where the suite is installed, and its secrets are."""

_MONGODB, _AMQP, _MANAGEMENT = 27017, 5672, 15672


class Stores:
    """The stores of a node. Data stay in `folder` until the node goes down."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.folder = node.folder / "stores"
        self.keys = self.folder / "keys"
        self.replica_set = ReplicaSet(
            self.folder,
            ports=[_MONGODB],
            host=ADDRESS,
            # The second lets tests slow down or fail what they choose; a server of production has no such switch.
            options=[f"--keyFile={self.folder / 'member.key'}", "--setParameter=enableTestCommands=1"],
        )
        self.broker = Broker(self.folder, _AMQP, _MANAGEMENT, host=ADDRESS)
        self._record = self.folder / "passwords.json"

    @property
    def mongodb_uri(self) -> str:
        """For the administrator."""
        return self._mongodb_uri("root")

    @property
    def amqp_uri(self) -> str:
        """For the administrator."""
        return self.broker.uri

    def start(self) -> None:
        """Starts what does not run, and returns when both take connections."""
        if not self._record.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            key = self.folder / "member.key"
            key.write_text(secrets.token_hex(64))
            key.chmod(0o400)
            access.make_keys(self.keys)
            self.replica_set.start()
            self.broker.start()
            users = {who: (who, secrets.token_urlsafe(12)) for who in ("root", *SERVICES, "kehu")}
            self._people(users)
            self._record.write_text(json.dumps(users))
        else:
            self.replica_set.nodes[0].start()
            self.replica_set.wait_for_primary()
            self.broker.start()

    def publish(self) -> None:
        """Writes the secrets into the cluster, as they are now."""
        host = f"rabbitmq.stores.svc.{DOMAIN}"
        user, password = self._users["kehu"]
        content: dict[str, dict[str, bytes]] = {
            "mongodb": {f"{service}-uri": self._mongodb_uri(service).encode() for service in SERVICES},
            "rabbitmq": {
                "amqp-uri": f"amqp://{user}:{password}@{host}:{_AMQP}/".encode(),
                "http-uri": f"http://{user}:{password}@{host}:{_MANAGEMENT}/".encode(),
            },
            # The key that signs tokens stays with whoever issues them.
            "token-keys": {
                path.name: path.read_bytes() for path in self.keys.iterdir() if path.name != access.PRIVATE_KEY
            },
        }
        objects: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}]
        for name, data in content.items():
            encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
            metadata = {"name": name, "namespace": NAMESPACE}
            objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})
        self._node.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def change_amqp_password(self) -> None:
        """Gives the suite's user of the broker another password, and tells the secret."""
        user, _ = self._users["kehu"]
        password = secrets.token_urlsafe(12)
        self._broker_user(user, password)
        self._hand_out("kehu", user, password)

    def add_mongodb_user(self, service: str) -> str:
        """Makes another database user for a service, tells the secret, and returns the name of the one before."""
        before, _ = self._users[service]
        user, password = f"{service}-{secrets.token_hex(3)}", secrets.token_urlsafe(12)
        with MongoClient[dict[str, Any]](self.mongodb_uri) as client:
            _database_user(client, service, user, password)
        self._hand_out(service, user, password)
        return before

    def drop_mongodb_user(self, user: str) -> None:
        """Takes a user of the database away."""
        with MongoClient[dict[str, Any]](self.mongodb_uri) as client:
            client.admin.command("dropUser", user)

    def management(self, method: str, path: str, body: object = None) -> Any:
        """Calls the broker's management API as the administrator."""
        connection = http.client.HTTPConnection(HOST, _MANAGEMENT, timeout=10)
        try:
            headers = {"Authorization": f"Basic {base64.b64encode(b'guest:guest').decode()}"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise StackError(f"The broker answered {answer.status} to {method} {path}: {text.decode(errors='replace')}")
        return json.loads(text) if text else None

    @property
    def _users(self) -> dict[str, tuple[str, str]]:
        """Who (root, a service, or kehu for the broker) → name and password."""
        return {who: (name, password) for who, (name, password) in json.loads(self._record.read_text()).items()}

    def _hand_out(self, who: str, user: str, password: str) -> None:
        self._record.write_text(json.dumps(self._users | {who: (user, password)}))
        self.publish()

    def _mongodb_uri(self, who: str) -> str:
        host = ADDRESS if who == "root" else f"mongodb.stores.svc.{DOMAIN}"
        user, password = map(quote, self._users[who])
        return f"mongodb://{user}:{password}@{host}:{_MONGODB}/?authSource=admin&replicaSet={SET_NAME}"

    def _people(self, users: dict[str, tuple[str, str]]) -> None:
        """Makes the users. The first of the database may be made by anyone from this machine, then nobody else."""
        local = f"mongodb://{HOST}:{_MONGODB}/?directConnection=true"
        root, password = users["root"]
        with MongoClient[dict[str, Any]](local) as client:
            client.admin.command("createUser", root, pwd=password, roles=["root"])
        with MongoClient[dict[str, Any]](local, username=root, password=password) as client:
            for service in SERVICES:
                _database_user(client, service, *users[service])
        self._broker_user(*users["kehu"])
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.management("PUT", f"/api/permissions/%2F/{users['kehu'][0]}", everything)

    def _broker_user(self, user: str, password: str) -> None:
        self.management("PUT", f"/api/users/{user}", {"password": password, "tags": "monitoring"})


def _database_user(client: MongoClient[dict[str, Any]], service: str, user: str, password: str) -> None:
    roles = [{"role": "dbOwner", "db": service}, {"role": "readWrite", "db": KEYRING}]
    client.admin.command("createUser", user, pwd=password, roles=roles)
