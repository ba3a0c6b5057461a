import { randomUUID } from 'node:crypto'
import { freshDatabase } from '../support/database.ts'
import { startRecado, type RunningRecado } from '../support/processes.ts'

export const appSecret = 'bench-app-secret'
export const operatorKey = 'bench-operator-key'
export const masterKey = Buffer.alloc(32, 7)

/** A running Recado with one tenant and one connected number, ready to be measured or tormented. */
export type Installation = {
  readonly recado: RunningRecado
  readonly databaseUrl: string
  readonly phoneNumberId: string
  readonly tenantId: string
  readonly channelId: string
  /** The header that the organisation's key goes in. */
  readonly authorization: string
  readonly get: <T>(path: string, headers?: Record<string, string>) => Promise<T>
  readonly post: <T>(path: string, body: unknown, headers?: Record<string, string>) => Promise<T>
  /** Stops the program and starts it again on the same database with other roles. */
  readonly withRoles: (roles: string) => Promise<RunningRecado>
  /** Another organisation with a number of its own. */
  readonly neighbour: (number: { phoneNumberId: string; wabaId: string; accessToken: string }) => Promise<Neighbour>
  readonly end: () => Promise<void>
}

export type Neighbour = Pick<Installation, 'tenantId' | 'channelId' | 'authorization' | 'get' | 'post'>

export type InstallationOptions = { readonly server: string; readonly env?: Readonly<Record<string, string>>; readonly phoneNumberId?: string }

export async function createInstallation({ server, env = {}, phoneNumberId = '100200300400500' }: InstallationOptions): Promise<Installation> {
  const database = await freshDatabase(server)
  const all = {
    DATABASE_URL: database.url,
    RECADO_DEMO: '0',
    RECADO_MASTER_KEY: masterKey.toString('base64'),
    RECADO_OPERATOR_KEY: operatorKey,
    META_APP_SECRET: appSecret,
    META_VERIFY_TOKEN: 'bench',
    LOG_LEVEL: 'error',
    ...env,
  }
  let recado = await startRecado({ env: all })
  const asked = async <T>(method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<T> => {
    const answer = await fetch(`${recado.url}${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return JSON.parse(text) as T
  }
  const operator = { authorization: `Bearer ${operatorKey}` }
  async function organisation(number: { phoneNumberId: string; wabaId: string; accessToken: string }): Promise<Neighbour> {
    const created = await asked<{ tenant: { id: string }; api_key: { key: string } }>('POST', '/v1/tenants', operator, {
      name: 'Bench',
      slug: `bench-${randomUUID().slice(0, 8)}`,
    })
    const key = { authorization: `Bearer ${created.api_key.key}` }
    const channel = await asked<{ id: string }>('POST', '/v1/channels', key, {
      kind: 'business',
      name: 'Bench',
      phone_number_id: number.phoneNumberId,
      waba_id: number.wabaId,
      access_token: number.accessToken,
      verify: false,
    })
    return {
      tenantId: created.tenant.id,
      channelId: channel.id,
      authorization: key.authorization,
      get: (path, headers = {}) => asked('GET', path, { ...key, ...headers }),
      post: (path, body, headers = {}) => asked('POST', path, { ...key, ...headers }, body),
    }
  }
  const first = await organisation({ phoneNumberId, wabaId: '200200200200200', accessToken: 'bench-token' })
  return {
    get recado() {
      return recado
    },
    databaseUrl: database.url,
    phoneNumberId,
    ...first,
    neighbour: organisation,
    async withRoles(roles) {
      await recado.stop()
      recado = await startRecado({ env: { ...all, RECADO_ROLES: roles }, probe: roles.includes('worker') ? '/readyz' : '/healthz' })
      return recado
    },
    async end() {
      await recado.stop()
      await database.drop()
    },
  }
}
