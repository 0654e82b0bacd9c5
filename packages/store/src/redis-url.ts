/**
 * The URL of a Redis: where it is, in which form, and what it is told of us. One parser for every form, so that a
 * mistake is named before anything connects, and a password never gets into a message (R9).
 *
 *     redis://user:password@host:6379/0      rediss://…            one server; TLS with the second s
 *     /run/redis.sock?password=…                                    a unix socket
 *     redis-cluster://host:6379,host:6379    rediss-cluster://…    some nodes of a Redis Cluster
 *     redis-sentinel://host:26379,host/name  rediss-sentinel://…   sentinels and the name of what they watch
 *
 * Parameters: `username`, `password`, `db`; `sentinel_username`, `sentinel_password`; `family` (4 or 6); and for TLS the
 * paths `ca`, `cert`, `key` of PEM files and `servername`. The server's certificate is always verified.
 */
import { readFileSync } from "node:fs";
import type { ConnectionOptions as TlsOptions } from "node:tls";
import { BatonError } from "@baton/core";
import { z } from "zod";

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** What every connection is told, whatever the form. */
export interface RedisAccess {
  readonly username?: string;
  readonly password?: string;
  readonly family?: number;
  readonly tls?: TlsOptions;
}

export type RedisPlace =
  | { readonly kind: "single"; readonly at: RedisAddress; readonly db: number; readonly access: RedisAccess }
  | { readonly kind: "socket"; readonly path: string; readonly db: number; readonly access: RedisAccess }
  | { readonly kind: "cluster"; readonly nodes: readonly RedisAddress[]; readonly access: RedisAccess }
  | {
      readonly kind: "sentinel";
      readonly sentinels: readonly RedisAddress[];
      readonly name: string;
      readonly db: number;
      readonly access: RedisAccess;
      /** What the sentinels themselves are told. */
      readonly sentinelAccess: Pick<RedisAccess, "username" | "password">;
    };

const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;
const TLS_PARAMETERS = ["ca", "cert", "key", "servername"] as const;

const text = z.string().min(1);
const parametersSchema = z.strictObject({
  username: text.optional(),
  password: text.optional(),
  db: z.coerce.number().int().min(0).optional(),
  sentinel_username: text.optional(),
  sentinel_password: text.optional(),
  family: z.enum(["4", "6"]).transform(Number).optional(),
  ca: text.optional(),
  cert: text.optional(),
  key: text.optional(),
  servername: text.optional(),
});
const PARAMETER = new RegExp(`^(${Object.keys(parametersSchema.shape).join("|")})=`);
/** Nothing of it can be a password: whole hosts and ports, and what stands behind them. */
const HOSTS = /^(?:\[[^\]]*\]|[^:,[\]/]*)(?::\d+)?(?:,(?:\[[^\]]*\]|[^:,[\]/]*)(?::\d+)?)*(?:\/|$)/;
type Parameters = z.infer<typeof parametersSchema>;

type Refuse = (why: string, cause?: unknown) => never;

/** Reads the files that the URL names. Throws `invalid_config`, with no password in the message. */
export function parseRedisUrl(url: string): RedisPlace {
  const refuse: Refuse = (why, cause) => {
    const message = `the Redis URL ${describeUrl(url)} cannot be used: ${why}`;
    throw new BatonError("invalid_config", message, { cause });
  };
  const [place, query] = cutAt(url, "?");
  const parameters = parseParameters(query, refuse);
  if (place.startsWith("/") && !place.startsWith("//")) {
    refuseTls(parameters, "over a unix socket", refuse);
    return { kind: "socket", path: place, db: parameters.db ?? 0, access: accessOf(parameters, {}) };
  }
  const parts = /^redis(s?)(-cluster|-sentinel)?:\/\/(?:(.*)@)?([^@/]*)(?:\/([^/]*))?$/i.exec(
    withScheme(place),
  );
  if (parts === null) {
    return refuse(
      "use redis://, rediss://, redis-cluster://, redis-sentinel:// or the path of a unix socket",
    );
  }
  const [, secure = "", kind = "", user = "", hosts = "", path = ""] = parts;
  if (secure === "") refuseTls(parameters, "without rediss", refuse);
  const tls = secure === "" ? {} : { tls: readTls(parameters, refuse) };
  const access = { ...accessOf(parameters, userOf(user, refuse)), ...tls };
  switch (kind.toLowerCase()) {
    case "-cluster": {
      if (path !== "" || (parameters.db ?? 0) !== 0) refuse("a cluster has no databases, so name none");
      return { kind: "cluster", nodes: addressesOf(hosts, REDIS_PORT, refuse), access };
    }
    case "-sentinel": {
      if (path === "")
        refuse("it must end with the name that the sentinels give to their primary: …/mymaster");
      return {
        kind: "sentinel",
        sentinels: addressesOf(hosts, SENTINEL_PORT, refuse),
        name: decoded(path, refuse),
        db: parameters.db ?? 0,
        access,
        sentinelAccess: present({
          username: parameters.sentinel_username,
          password: parameters.sentinel_password,
        }),
      };
    }
    default: {
      const [at, other] = addressesOf(hosts, REDIS_PORT, refuse);
      if (at === undefined || other !== undefined)
        return refuse("several hosts need redis-cluster:// or redis-sentinel://");
      return { kind: "single", at, db: databaseOf(path, parameters, refuse), access };
    }
  }
}

/** `host`, `host:port`, `:password@host`, `//host` and a port alone are taken too. */
function withScheme(place: string): string {
  if (/^[a-z][a-z-]*:\/\//i.test(place)) return place;
  return /^\d+$/.test(place) ? `redis://127.0.0.1:${place}` : `redis://${place.replace(/^\/\//, "")}`;
}

function parseParameters(query: string, refuse: Refuse): Parameters {
  const parsed = parametersSchema.safeParse(Object.fromEntries(new URLSearchParams(query)));
  if (parsed.success) return parsed.data;
  // What looks like the name of an unknown parameter may be a part of a password.
  const wrong = parsed.error.issues.flatMap((issue) => issue.path.map(String));
  if (wrong.length > 0) return refuse(`its parameter ${wrong.join(", ")} has a value that it cannot have`);
  const known = Object.keys(parametersSchema.shape).join(", ");
  return refuse(`it has a parameter that is none of ${known}; a & in a value is written %26`);
}

function addressesOf(hosts: string, portElse: number, refuse: Refuse): readonly RedisAddress[] {
  return hosts.split(",").map((host) => {
    const parts = /^(\[[^\]]+\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(host);
    const port = parts?.[2] === undefined ? portElse : Number(parts[2]);
    if (parts === null || port < 1 || port > 65_535) return refuse("a host in it is no host:port");
    return { host: (parts[1] || "127.0.0.1").replace(/^\[|\]$/g, ""), port };
  });
}

function databaseOf(path: string, { db }: Parameters, refuse: Refuse): number {
  if (path === "") return db ?? 0;
  return /^\d{1,5}$/.test(path) ? Number(path) : refuse("behind the host comes the number of a database");
}

function userOf(user: string, refuse: Refuse): Pick<RedisAccess, "username" | "password"> {
  const [username, password] = cutAt(user, ":").map((one) => decoded(one, refuse));
  return present({ username, password });
}

function accessOf(parameters: Parameters, user: Pick<RedisAccess, "username" | "password">): RedisAccess {
  const { username, password, family } = parameters;
  return { ...present({ username, password }), ...user, ...(family === undefined ? {} : { family }) };
}

function refuseTls(parameters: Parameters, where: string, refuse: Refuse): void {
  const named = TLS_PARAMETERS.filter((name) => parameters[name] !== undefined);
  if (named.length > 0) refuse(`${named.join(", ")} means TLS, and there is none ${where}`);
}

function readTls(parameters: Parameters, refuse: Refuse): TlsOptions {
  const { ca, cert, key, servername } = parameters;
  if ((cert === undefined) !== (key === undefined)) refuse("cert and key go together");
  const read = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      return refuse(`the file ${path} cannot be read`, error);
    }
  };
  return {
    ...(ca === undefined ? {} : { ca: read(ca) }),
    ...(cert === undefined || key === undefined ? {} : { cert: read(cert), key: read(key) }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function present(user: { readonly username?: string | undefined; readonly password?: string | undefined }) {
  return {
    ...(user.username ? { username: user.username } : {}),
    ...(user.password ? { password: user.password } : {}),
  };
}

function decoded(text: string, refuse: Refuse): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse("a % in it must be written as %25");
  }
}

function cutAt(text: string, mark: string): [string, string] {
  const place = text.indexOf(mark);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
}

/**
 * A Redis URL without its passwords, for messages (R9). In every form that is taken: with a scheme or without, the
 * password before the hosts or as a parameter, also behind the path of a socket.
 */
export function describeUrl(url: string): string {
  const [, scheme = "", rest = ""] = /^((?:[a-z][a-z-]*:)?\/\/|)(.*)$/is.exec(url) ?? [];
  const [place, query] = cutAt(rest, "?");
  // A ? in a password should be %3F: where it is not, nothing tells what is the password and what the query.
  if (!rest.startsWith("/") && query.includes("@") && !PARAMETER.test(query)) return `${scheme}***`;
  if (!rest.startsWith("/") && !place.includes("@") && !HOSTS.test(place)) return `${scheme}***`;
  // A path of a socket may hold colons and at signs, and has no password before its end.
  const masked = place.startsWith("/") ? place : place.replace(/^([^:@]*:).*@/s, "$1***@");
  return scheme + masked + (query === "" ? "" : `?${query.split("&").map(describeParameter).join("&")}`);
}

function describeParameter(parameter: string): string {
  const name = PARAMETER.exec(parameter)?.[1];
  if (name === undefined) return "***";
  return name.includes("password") ? `${name}=***` : parameter;
}
