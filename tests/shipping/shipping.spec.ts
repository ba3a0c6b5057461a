import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createMemoryEventStore } from '../../src/adapters/event-store/memory/event-store.ts'
import { countingSends } from '../../src/composition/counted-calls.ts'
import { watchInstallation } from '../../src/composition/installation-gauges.ts'
import { createMetrics } from '../../src/composition/metrics.ts'
import { environment, readConfig } from '../../src/config.ts'
import { interpolated, parseCompose } from './compose-schema.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const yaml = (text: string): Record<string, unknown> => parse(text, { merge: true }) as Record<string, unknown>

const required = {
  RECADO_DOMAIN: 'recado.example.com',
  POSTGRES_PASSWORD: 'secret',
  RECADO_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
  RECADO_OPERATOR_KEY: 'a key of more than sixteen characters',
}
const everything = {
  ...required,
  META_APP_SECRET: 'app secret',
  META_VERIFY_TOKEN: 'token',
  EVENT_STORE: 'eventstoredb',
  EVENTSTOREDB_URL: 'esdb://eventstoredb:2113?tls=false',
  KAFKA_BROKERS: 'kafka:9092',
  PROJECTION_SOURCE: 'kafka',
  GRAFANA_PASSWORD: 'secret',
}
const file = read('docker-compose.yml')
const composeWith = (variables: Record<string, string>) => parseCompose(interpolated(yaml(file), variables))
const ours = ['api', 'worker']

describe('docker-compose.yml', () => {
  it.each([
    ['what is required', required],
    ['everything', everything],
  ])('is a Compose file with %s set', (_, variables) => {
    const { services, networks = {}, volumes = {} } = composeWith(variables)
    for (const [name, service] of Object.entries(services)) {
      const { depends_on: needs = {}, networks: joined = [], volumes: mounted = [] } = service
      for (const other of Array.isArray(needs) ? needs : Object.keys(needs)) expect(services, `${name} depends on ${other}`).toHaveProperty(other)
      for (const network of joined) expect(networks).toHaveProperty(network)
      for (const mount of mounted) {
        const [source = ''] = mount.split(':')
        if (source.startsWith('.')) expect(existsSync(join(root, source)), source).toBe(true)
        else expect(volumes).toHaveProperty(source)
      }
      expect(service.restart, `${name} comes back by itself`).toBe('unless-stopped')
    }
  })

  it.each([
    ['a key that Compose does not know', 'restart: unless-stopped', 'restrat: unless-stopped'],
    ['a condition that there is not', 'condition: service_healthy', 'condition: healthy'],
    ['an interval without a unit', 'interval: 5s', 'interval: 5'],
  ])('would be refused with %s', (_, good, bad) => {
    expect(() => parseCompose(interpolated(yaml(file.replace(good, bad)), required))).toThrow()
  })

  it('is small by default: what is more needs a profile, and is not waited for without it', () => {
    const { services } = composeWith(required)
    const always = Object.entries(services).filter(([, { profiles }]) => profiles === undefined)
    expect(always.map(([name]) => name).sort()).toEqual(['api', 'postgres', 'proxy', 'worker'])
    for (const [name, { depends_on: needs = {} }] of always) {
      for (const [other, how] of Array.isArray(needs) ? [] : Object.entries(needs)) {
        if (services[other]?.profiles !== undefined) expect(how.required, `${name} without ${other}`).toBe(false)
      }
    }
  })

  it('asks every engine and Recado for its health, and gives nobody outside a way to the engines', () => {
    const { services, networks } = composeWith(everything)
    for (const name of ['postgres', 'eventstoredb', 'kafka', 'prometheus']) expect(services[name]?.healthcheck, name).toBeDefined()
    expect(read('Dockerfile')).toContain('HEALTHCHECK')
    expect(networks?.['back']?.internal).toBe(true)
    for (const name of ['postgres', 'eventstoredb', 'kafka']) {
      expect(services[name]?.networks).toEqual(['back'])
      expect(services[name]?.ports).toBeUndefined()
    }
    expect(services['eventstoredb']?.environment).toMatchObject({ EVENTSTORE_MAX_APPEND_SIZE: '8388608' })
  })

  it.each([
    ['what is required', required],
    ['everything', everything],
  ])('gives Recado variables that it knows, with values that it takes: %s', (_, variables) => {
    const { services } = composeWith(variables)
    for (const name of ours) {
      const given = services[name]?.environment as Record<string, string>
      expect(Object.keys(given).filter((key) => !(key in environment.shape))).toEqual([])
      const config = readConfig({ NODE_ENV: 'production', RECADO_DATA_DIR: '/data', ...given })
      expect(config.roles).toEqual([name])
      expect(config.http.publicUrl).toBe('https://recado.example.com')
    }
  })

  it('says in ops/compose.env.example what has to be filled in', () => {
    const example = read('ops/compose.env.example')
    const used = new Set([...file.matchAll(/\$\{([A-Z0-9_]+)/g)].map(([, key = '']) => key))
    const unknown = [...used].filter(
      (key) => !(key in environment.shape) && !new RegExp(`^#?${key}=`, 'm').test(example) && !['RECADO_IMAGE', 'KAFKA_CLUSTER_ID'].includes(key),
    )
    expect(unknown).toEqual([])
    for (const key of Object.keys(required)) expect(example).toMatch(new RegExp(`^${key}=$`, 'm'))
    expect(() => composeWith({})).toThrow('is required')
  })
})

describe('the image', () => {
  const dockerfile = read('Dockerfile')
  it('runs as somebody who owns nothing, under tini, with a health check', () => {
    expect(dockerfile).toMatch(/^USER node$/m)
    expect(dockerfile).toMatch(/^ENTRYPOINT \["tini", "--", "node"/m)
    expect(dockerfile.indexOf('USER node')).toBeGreaterThan(dockerfile.lastIndexOf('RUN '))
    expect(dockerfile.match(/^FROM /gm)).toHaveLength(2)
  })

  it('is made of what the build context lets through, and of all that the program imports', () => {
    const through = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' '))
    for (const path of copied) {
      expect(existsSync(join(root, path)), path).toBe(true)
      expect(through).toContain(path)
    }
    const outside = new Set<string>()
    for (const path of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
      (one) => one.endsWith('.ts') && !one.endsWith('.spec.ts'),
    )) {
      for (const [, target = ''] of read(join('src', path)).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
        const [top = ''] = join('src', path, '..', target).split('/')
        if (top !== 'src') outside.add(top)
      }
    }
    expect([...outside].filter((top) => !copied.includes(top))).toEqual([])
  })
})

describe('what is watched', () => {
  const known = knownMetrics()
  const queries = {
    dashboard: (JSON.parse(read('ops/grafana/dashboards/recado.json')) as { panels: { targets?: { expr: string }[] }[] }).panels.flatMap(
      ({ targets = [] }) => targets.map(({ expr }) => expr),
    ),
    alerts: alerts().map(({ expr }) => expr),
  }

  it.each(Object.entries(queries))('asks in the %s for numbers and labels that there are', (_, expressions) => {
    expect(expressions.length).toBeGreaterThan(5)
    for (const expression of expressions) {
      const names = [...expression.matchAll(/\b(?:recado|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, ''))
      if (!/\bup\b/.test(expression)) expect(names.length, expression).toBeGreaterThan(0)
      for (const name of names) {
        // A counter may end like a part of a histogram.
        const metric = known.get(name) ?? known.get(expression.match(new RegExp(`${name}_\\w+`))?.[0] ?? '')
        expect(metric, `${name} in ${expression}`).toBeDefined()
      }
      const asked = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(',').map((label) => label.trim()))
      const there = new Set(['le', 'instance', 'job', ...names.flatMap((name) => known.get(name) ?? [])])
      expect(
        asked.filter((label) => !there.has(label)),
        expression,
      ).toEqual([])
      expect(expression.split('(').length).toBe(expression.split(')').length)
    }
  })

  it('has a runbook for every alert', () => {
    for (const { alert, annotations } of alerts()) {
      expect(existsSync(join(root, `docs/how-to/runbooks/${annotations.runbook}.md`)), `${alert}: ${annotations.runbook}`).toBe(true)
    }
  })

  it('is scraped from the services by their names', () => {
    const config = yaml(read('ops/prometheus/prometheus.yml')) as { scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[] }
    const [scraped] = config.scrape_configs.flatMap(({ dns_sd_configs: found }) => found)
    expect(scraped).toMatchObject({ names: ours, port: 8080 })
    expect(read('ops/caddy/Caddyfile')).toContain('dynamic a api 8080')
  })
})

type Alert = { readonly alert: string; readonly expr: string; readonly annotations: { readonly runbook: string } }
function alerts(): Alert[] {
  return (yaml(read('ops/prometheus/alerts.yml')) as { groups: { rules: Alert[] }[] }).groups.flatMap(({ rules }) => rules)
}

/** Names and labels of everything that /metrics tells, from the code that tells it. */
function knownMetrics(): ReadonlyMap<string, readonly string[]> {
  const metrics = createMetrics()
  const never = (): never => {
    throw new Error('only names are asked for')
  }
  const pool = { query: never } as unknown as Pool
  watchInstallation(metrics.registry, pool, { engine: 'PostgreSQL', store: createMemoryEventStore() })
  countingSends(metrics.registry)({ send: never })
  metrics.watch({
    progress: never,
    intake: { progress: never, deliveriesWaiting: never } as unknown as Parameters<typeof metrics.watch>[0]['intake'],
    sender: never,
    feedConnections: never,
  })
  return new Map(metrics.registry.getMetricsAsArray().map((metric) => [metric.name, 'labelNames' in metric ? (metric.labelNames as string[]) : []]))
}
