import { resolve } from 'node:path'
import { z } from 'zod'

/**
 * The environment as the program sees it: every variable once, with its default and what it means. The reference page and .env.example are rendered from here.
 * An empty value means the same as none, so that `NAME=` in a compose file or .env switches nothing on.
 */
const variable = <S extends z.ZodType>(schema: S, meaning: { takes: string; says: string; otherwise: string; example?: string }): S =>
  schema.meta(meaning)

const wholeNumber = (from: number, to: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${from} to ${to}`)
    .transform(Number)
    .refine((n) => n >= from && n <= to, `must be a whole number from ${from} to ${to}`)

const url = (protocols: readonly string[]): z.ZodType<string> => {
  const message = `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`
  return z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), message)
}

/** Several hosts with ports stand in one of these, which no URL parser takes; the client parses the rest. The client knows the old names only. */
const eventStoreDbUrl = z
  .string()
  .refine((text) => !/^kurrentdb/i.test(text), {
    error: 'must start with esdb:// or esdb+discover://, also for KurrentDB: the client knows the protocol by that name (write esdb for kurrentdb)',
    abort: true,
  })
  .regex(
    /^esdb(\+discover)?:\/\/[^\s/?]+(\/[\w-]*)?(\?\S*)?$/,
    'must be a connection string that starts with esdb:// or esdb+discover://; its path, if there is one, is a name of letters, digits, _ and -',
  )

const hostAndPort = z.string().regex(/^(\[[\da-f:]+\]|[^\s:/@]+):\d{1,5}$/i, 'must be a list of host:port')

const list = (text: string): string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

const onOff = z.enum(['1', '0'], { error: 'must be 1 or 0' }).transform((text) => text === '1')

const oneOf = <const T extends readonly string[]>(values: T) => z.enum(values, { error: `must be one of ${values.join(', ')}` })

const roles = ['api', 'worker', 'lite'] as const
export type Role = (typeof roles)[number]

const notAnEnvironment =
  'must be production, development or test, or left out: taken for development, a misspelt production would make its own keys, listen on this machine only and may start the demo'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export const defaultGraphUrl = 'https://graph.facebook.com'
const defaultGraphVersion = 'v26.0'

export const environment = z.object({
  NODE_ENV: variable(z.enum(['production', 'development', 'test'], { error: notAnEnvironment }).optional(), {
    takes: '`production`, `development`, `test`',
    says: '`production` requires `RECADO_MASTER_KEY`, leaves the demo off and listens on every address.',
    otherwise: 'development',
  }),
  PORT: variable(wholeNumber(0, 65_535).default(8080), {
    takes: '0 to 65535',
    says: 'Port of the HTTP server. 0 takes a free one.',
    otherwise: '8080',
  }),
  HOST: variable(z.string().optional(), { takes: 'address', says: 'Address to listen on.', otherwise: '`127.0.0.1`; `0.0.0.0` in production' }),
  PUBLIC_URL: variable(url(['http:', 'https:']).optional(), {
    takes: 'URL',
    says: 'How the outside reaches this installation; links and the webhook address are made with it.',
    otherwise: '`http://localhost:<PORT>`',
    example: 'https://recado.example.com',
  }),
  RECADO_TRUSTED_PROXIES: variable(wholeNumber(0, 10).default(0), {
    takes: '0 to 10',
    says: 'Proxies in front of this installation whose `X-Forwarded-For` is believed: limits per address count the address behind them. More than there are lets a client invent its address.',
    otherwise: '`0`: the address that connects',
  }),
  DATABASE_URL: variable(url(['postgres:', 'postgresql:']).optional(), {
    takes: 'URL',
    says: 'PostgreSQL (16 or newer) to use. Its user has to own the database and be allowed to create the roles `recado_api` and `recado_worker`, or be a member of them.',
    otherwise: 'an embedded PostgreSQL under `RECADO_DATA_DIR`',
    example: 'postgresql://recado:password@localhost:5432/recado',
  }),
  RECADO_DATA_DIR: variable(z.string().default('./data'), {
    takes: 'path',
    says: 'Where the embedded PostgreSQL and generated keys live. Back it up as a whole.',
    otherwise: '`./data`',
  }),
  META_APP_SECRET: variable(z.string().transform(list).default([]), {
    takes: 'list',
    says: 'App secret of the default Meta app, with which webhook signatures are verified. Comma-separated while a secret is being rotated: each one is accepted.',
    otherwise: 'none: only channels with an app secret of their own receive webhooks',
  }),
  META_VERIFY_TOKEN: variable(z.string().optional(), {
    takes: 'text',
    says: 'The token that Meta shows when it verifies the webhook address.',
    otherwise: 'none: verification is refused',
  }),
  META_GRAPH_URL: variable(url(['http:', 'https:']).optional(), {
    takes: 'URL',
    says: "Base address of Meta's Graph API.",
    otherwise: `\`${defaultGraphUrl}\`; in demo mode always the simulator`,
  }),
  META_GRAPH_VERSION: variable(
    z
      .string()
      .regex(/^v\d+\.\d+$/, 'must look like v26.0')
      .default(defaultGraphVersion),
    {
      takes: '`v` and number',
      says: 'Version of the Graph API.',
      otherwise: `\`${defaultGraphVersion}\``,
    },
  ),
  RECADO_MASTER_KEY: variable(z.string().transform(base64Key).optional(), {
    takes: 'base64',
    says: 'The key that wraps every other key: 32 bytes as base64 (`openssl rand -base64 32`). Without it nothing personal can be read again.',
    otherwise: 'in development generated once and kept in `<RECADO_DATA_DIR>/master.key`; required in production',
  }),
  RECADO_OPERATOR_KEY: variable(
    z.string().min(16, 'must have at least 16 characters, for it opens the whole installation: make one with `openssl rand -base64 24`').optional(),
    {
      takes: 'text of 16 or more',
      says: 'API key of the platform operator, who creates tenants.',
      otherwise: 'generated once and kept in `<RECADO_DATA_DIR>/operator.key`',
    },
  ),
  RECADO_ROLES: variable(
    z
      .string()
      .transform(list)
      .pipe(z.array(oneOf(roles)).min(1, `must name at least one of ${roles.join(', ')}`))
      .default([...roles]),
    {
      takes: 'list',
      says: 'What this process does, comma-separated: `api`, `worker`, `lite` (WhatsApp Web sessions: none in this version).',
      otherwise: 'all of them',
    },
  ),
  RECADO_DRAIN_SECONDS: variable(wholeNumber(0, 300).default(0), {
    takes: '0 to 300',
    says: 'How long a process that was told to stop goes on answering while `/readyz` says 503, so that a load balancer sends nobody new before it is gone. Its leases it hands over at once.',
    otherwise: '`0`: it stops as soon as what was asked is answered',
  }),
  RECADO_DEMO: variable(onOff.optional(), {
    takes: '`1` or `0`',
    says: '`1` starts a demo tenant, the Cloud API simulator and a simulated phone; `0` does not.',
    otherwise: 'on when no `META_…` variable is set and it is not production',
  }),
  LOG_LEVEL: variable(oneOf(logLevels).default('info'), {
    takes: 'word',
    says: `Least severe log lines to write: ${logLevels.join(', ')}.`,
    otherwise: '`info`',
  }),
  LOG_PRETTY: variable(onOff.default(false), { takes: '`1` or `0`', says: '`1` writes log lines for people instead of JSON.', otherwise: '`0`' }),
  EVENT_STORE: variable(oneOf(['postgres', 'eventstoredb']).default('postgres'), {
    takes: '`postgres` or `eventstoredb`',
    says: 'Engine of the event log. Read models, keys and work tables are in PostgreSQL with either. A running installation is moved with `recado store copy`.',
    otherwise: '`postgres`',
  }),
  EVENTSTOREDB_URL: variable(eventStoreDbUrl.optional(), {
    takes: 'connection string',
    says: 'The EventStoreDB or KurrentDB: `esdb://…` for one node or named ones, `esdb+discover://…` for a cluster found by its gossip. A path names one log of several on it (`esdb://host:2113/acme`). Required with `EVENT_STORE=eventstoredb`; with `postgres` only `recado store copy` uses it.',
    otherwise: 'none',
    example: 'esdb://localhost:2113?tls=false',
  }),
  PROJECTION_SOURCE: variable(oneOf(['store', 'kafka']).default('store'), {
    takes: '`store` or `kafka`',
    says: 'Where read models get their events from: the log itself, or the topic that it is published to (needs `KAFKA_BROKERS`). Rebuilds and what is far behind read the log with either.',
    otherwise: '`store`',
  }),
  MEDIA_STORE: variable(oneOf(['file', 's3']).default('file'), {
    takes: '`file` or `s3`',
    says: 'Where files of messages are kept, sealed: under `RECADO_DATA_DIR/media`, or in a bucket of any S3-compatible service, which several machines need.',
    otherwise: '`file`',
  }),
  S3_ENDPOINT: variable(url(['http:', 'https:']).optional(), {
    takes: 'URL',
    says: 'Address of the S3-compatible service, without the bucket. Required with `MEDIA_STORE=s3`.',
    otherwise: 'none',
    example: 'https://s3.eu-central-1.amazonaws.com',
  }),
  S3_BUCKET: variable(z.string().optional(), {
    takes: 'text',
    says: 'The bucket; it has to exist. Required with `MEDIA_STORE=s3`.',
    otherwise: 'none',
  }),
  S3_REGION: variable(z.string().default('us-east-1'), {
    takes: 'text',
    says: 'Region that requests are signed for; services without regions take the default.',
    otherwise: '`us-east-1`',
  }),
  S3_ACCESS_KEY_ID: variable(z.string().optional(), { takes: 'text', says: 'Required with `MEDIA_STORE=s3`.', otherwise: 'none' }),
  S3_SECRET_ACCESS_KEY: variable(z.string().optional(), { takes: 'text', says: 'Required with `MEDIA_STORE=s3`.', otherwise: 'none' }),
  FFMPEG_PATH: variable(z.string().default('ffmpeg'), {
    takes: 'name or path',
    says: 'The program that makes voice notes of other sounds. Without it only Ogg/Opus mono can be sent with `voice: true`.',
    otherwise: '`ffmpeg`, where it is installed',
  }),
  KAFKA_BROKERS: variable(z.string().transform(list).pipe(z.array(hostAndPort)).optional(), {
    takes: 'list',
    says: 'Brokers of a Kafka cluster to start from, comma-separated `host:port`. Naming them publishes every event there.',
    otherwise: 'nothing is published',
    example: 'kafka-1:9092,kafka-2:9092,kafka-3:9092',
  }),
  KAFKA_TOPIC_PREFIX: variable(
    z
      .string()
      .regex(/^[\w-][\w.-]{0,99}$/, 'may have letters, digits, `.`, `_` and `-`')
      .default('recado'),
    { takes: 'text', says: 'Topics are called `<prefix>.events`, `<prefix>.conversations` and so on.', otherwise: '`recado`' },
  ),
  KAFKA_PARTITIONS: variable(wholeNumber(1, 1000).default(12), {
    takes: '1 to 1000',
    says: 'Partitions of the topics that Recado creates. A topic keeps those it has: adding some would break the order of what is there.',
    otherwise: '`12`',
  }),
  KAFKA_TLS: variable(onOff.default(false), {
    takes: '`1` or `0`',
    says: '`1` speaks TLS with the brokers. A certificate authority of your own is named by `NODE_EXTRA_CA_CERTS`.',
    otherwise: '`0`',
  }),
  KAFKA_SASL_MECHANISM: variable(oneOf(['plain', 'scram-sha-256', 'scram-sha-512']).default('scram-sha-512'), {
    takes: '`plain`, `scram-sha-256` or `scram-sha-512`',
    says: 'How `KAFKA_SASL_USER` signs in.',
    otherwise: '`scram-sha-512`',
  }),
  KAFKA_SASL_USER: variable(z.string().optional(), {
    takes: 'text',
    says: 'The user at the brokers. Together with `KAFKA_SASL_PASSWORD`.',
    otherwise: 'nobody signs in',
  }),
  KAFKA_SASL_PASSWORD: variable(z.string().optional(), { takes: 'text', says: 'Its password.', otherwise: 'none' }),
  CHROMIUM_PATH: variable(z.string().optional(), {
    takes: 'path',
    says: 'Chromium for lite channels, which come in a later version: without effect until then.',
    otherwise: 'none',
  }),
})

export type S3Config = {
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export type EventStoreName = 'postgres' | 'eventstoredb'

export type KafkaConfig = {
  readonly brokers: readonly string[]
  readonly topicPrefix: string
  readonly partitions: number
  readonly tls: boolean
  readonly sasl: { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string } | undefined
}

export type Config = {
  readonly production: boolean
  readonly http: { readonly host: string; readonly port: number; readonly publicUrl: string; readonly trustedProxies: number }
  /** Without a url the embedded PostgreSQL under `dataDir` is meant. */
  readonly database: { readonly url: string | undefined }
  /** Which engine keeps the log. `eventStoreDb` may be known without being it: as where the log is to be moved. */
  readonly eventStore: EventStoreName
  readonly eventStoreDb: { readonly url: string } | undefined
  readonly dataDir: string
  readonly meta: {
    readonly appSecrets: readonly string[]
    readonly verifyToken: string | undefined
    /** As given. `undefined` means `defaultGraphUrl`, or the simulator in demo mode. */
    readonly graphUrl: string | undefined
    readonly graphVersion: string
  }
  /** As given; `masterKey` and `operatorKey` (keys.ts) make them the ones to use. */
  readonly given: { readonly masterKey: Buffer | undefined; readonly operatorKey: string | undefined }
  readonly media: {
    readonly store: { readonly kind: 'file'; readonly directory: string } | ({ readonly kind: 's3' } & S3Config)
    readonly ffmpeg: string
  }
  /** Where events are published; undefined: nowhere. */
  readonly kafka: KafkaConfig | undefined
  readonly projectionSource: 'store' | 'kafka'
  readonly roles: readonly Role[]
  readonly drainSeconds: number
  readonly demo: boolean
  readonly log: { readonly level: (typeof logLevels)[number]; readonly pretty: boolean }
}

/** One line per mistake, each begins with the variable's name. Never contains a value: it may be a secret. */
export class ConfigMistakes extends Error {
  override name = 'ConfigMistakes'
  readonly mistakes: readonly string[]
  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'))
    this.mistakes = mistakes
  }
}

/** The environment as a config. @throws ConfigMistakes with every mistake there is, not just the first. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''))
  const production = present['NODE_ENV'] === 'production'
  const parsed = environment.safeParse(present)
  const mistakes = parsed.success ? [] : parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`)
  mistakes.push(...mistakenTogether(present))
  if (!parsed.success || mistakes.length > 0) throw new ConfigMistakes([...new Set(mistakes)])
  const { data } = parsed
  const metaIsConfigured = data.META_APP_SECRET.length > 0 || data.META_VERIFY_TOKEN !== undefined || data.META_GRAPH_URL !== undefined
  return {
    production,
    http: {
      host: data.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
      port: data.PORT,
      publicUrl: (data.PUBLIC_URL ?? `http://localhost:${data.PORT}`).replace(/\/+$/, ''),
      trustedProxies: data.RECADO_TRUSTED_PROXIES,
    },
    database: { url: data.DATABASE_URL },
    eventStore: data.EVENT_STORE,
    eventStoreDb: data.EVENTSTOREDB_URL === undefined ? undefined : { url: data.EVENTSTOREDB_URL },
    dataDir: resolve(data.RECADO_DATA_DIR),
    meta: {
      appSecrets: data.META_APP_SECRET,
      verifyToken: data.META_VERIFY_TOKEN,
      graphUrl: data.META_GRAPH_URL,
      graphVersion: data.META_GRAPH_VERSION,
    },
    given: { masterKey: data.RECADO_MASTER_KEY, operatorKey: data.RECADO_OPERATOR_KEY },
    media: { store: mediaStoreOf(data), ffmpeg: data.FFMPEG_PATH },
    kafka: kafkaOf(data),
    projectionSource: data.PROJECTION_SOURCE,
    roles: data.RECADO_ROLES,
    drainSeconds: data.RECADO_DRAIN_SECONDS,
    demo: data.RECADO_DEMO ?? (!metaIsConfigured && !production),
    log: { level: data.LOG_LEVEL, pretty: data.LOG_PRETTY },
  }
}

/** What is right by itself and wrong beside the rest. */
function mistakenTogether(present: Readonly<Record<string, string | undefined>>): string[] {
  const production = present['NODE_ENV'] === 'production'
  const mistakes: string[] = []
  if (production && present['RECADO_DEMO'] === '1')
    mistakes.push('RECADO_DEMO cannot be 1 in production: everybody who reaches the simulator could write to every tenant as its customers')
  if (production && present['RECADO_MASTER_KEY'] === undefined)
    mistakes.push('RECADO_MASTER_KEY is required in production: 32 random bytes as base64, for example from `openssl rand -base64 32`')
  if (present['MEDIA_STORE'] === 's3')
    for (const name of ['S3_ENDPOINT', 'S3_BUCKET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'])
      if (present[name] === undefined) mistakes.push(`${name} is required with MEDIA_STORE=s3`)
  if (present['EVENT_STORE'] === 'eventstoredb' && present['EVENTSTOREDB_URL'] === undefined)
    mistakes.push('EVENTSTOREDB_URL is required with EVENT_STORE=eventstoredb')
  if (present['PROJECTION_SOURCE'] === 'kafka' && present['KAFKA_BROKERS'] === undefined)
    mistakes.push('KAFKA_BROKERS is required with PROJECTION_SOURCE=kafka')
  if ((present['KAFKA_SASL_USER'] === undefined) !== (present['KAFKA_SASL_PASSWORD'] === undefined))
    mistakes.push('KAFKA_SASL_USER and KAFKA_SASL_PASSWORD are set together or not at all')
  return mistakes
}

function mediaStoreOf(data: z.output<typeof environment>): Config['media']['store'] {
  if (data.MEDIA_STORE === 'file') return { kind: 'file', directory: resolve(data.RECADO_DATA_DIR, 'media') }
  const { S3_ENDPOINT: endpoint = '', S3_BUCKET: bucket = '', S3_REGION: region, S3_ACCESS_KEY_ID: accessKeyId = '' } = data
  return { kind: 's3', endpoint, bucket, region, accessKeyId, secretAccessKey: data.S3_SECRET_ACCESS_KEY ?? '' }
}

function kafkaOf(data: z.output<typeof environment>): KafkaConfig | undefined {
  const { KAFKA_BROKERS: brokers = [], KAFKA_SASL_USER: username, KAFKA_SASL_PASSWORD: password, KAFKA_SASL_MECHANISM: mechanism } = data
  if (brokers.length === 0) return undefined
  const sasl = username === undefined || password === undefined ? undefined : { mechanism, username, password }
  return { brokers, topicPrefix: data.KAFKA_TOPIC_PREFIX, partitions: data.KAFKA_PARTITIONS, tls: data.KAFKA_TLS, sasl }
}

function base64Key(text: string, context: z.RefinementCtx): Buffer {
  const key = Buffer.from(text, 'base64')
  if (key.length !== 32 || key.toString('base64') !== text) context.addIssue('must be 32 bytes as base64, for example from `openssl rand -base64 32`')
  return key
}
