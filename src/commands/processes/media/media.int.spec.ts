import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { startProcess } from '../../../../tests/support/sending.ts'
import { createFileStore } from '../../../adapters/media-store/file.ts'
import { createErasedSubjects } from '../../../adapters/keyring/erased-subjects.ts'
import { channel } from '../../../domain/channel/channel.ts'
import { conversation, conversationId, type ConversationCommand } from '../../../domain/conversation/conversation.ts'
import { fromStored } from '../../../domain/kernel/codec.ts'
import { streamRef } from '../../../domain/kernel/stream.ts'
import type { MediaEvent } from '../../../domain/media/events.ts'
import { media, mediaIdOf, type Media } from '../../../domain/media/media.ts'
import { prepareJobs } from '../../../postgres/jobs.ts'
import { createPool } from '../../../postgres/pool.ts'
import { openSealed } from '../../media/sealed-file.ts'
import type { CallResult } from '../../ports/cloud-api.ts'
import type { DescribedMedia } from '../../ports/media-api.ts'
import { runMedia } from './media.ts'

const day = 86_400_000
const masterKey = randomBytes(32)
const bytes = randomBytes(300_000)
const hash = createHash('sha256').update(bytes).digest()

let db: TestDatabase
let owner: Pool
let jobsPool: Pool
let here: Awaited<ReturnType<typeof startProcess>>
let directory: string
let running: { stop: AbortController; done: Promise<void> } | undefined

/** Meta, as far as files go, and what else is away at times: it says what the test wants. */
const meta = {
  described: [] as string[],
  removals: [] as string[],
  remove: async (_key: string): Promise<undefined> => undefined,
  /** Of a person, as the read model would tell them. */
  filesOf: (_contactId: string): readonly string[] => [],
  describe: (_id: string): CallResult<DescribedMedia> => ({ ok: { url: 'https://files/1', mimeType: 'image/jpeg', size: bytes.length } }),
  download: (_url: string): CallResult<AsyncIterable<Uint8Array>> => ({ ok: once(bytes) }),
}
let account = true
let now = Date.now()

async function* once(...pieces: (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const one of pieces) {
    if (one instanceof Error) throw one
    yield one
  }
}

beforeAll(async () => {
  db = await freshDatabase()
  owner = createPool({ url: db.url, role: 'owner', max: 2, name: 'media owner' })
  await prepareJobs(owner)
  jobsPool = createPool({ url: db.url, role: 'recado_worker', max: 6, name: 'media jobs' })
  here = await startProcess({ url: db.url, masterKey })
  directory = await mkdtemp(join(tmpdir(), 'recado-media-process-'))
})
afterEach(async () => {
  await stop()
  await here.pool.query('delete from graphile_worker._private_jobs')
  Object.assign(meta, usual)
  meta.described = []
  meta.removals = []
  account = true
  now = Date.now()
})
afterAll(async () => {
  await Promise.all([here.close(), jobsPool.end(), owner.end()])
  await rm(directory, { recursive: true })
  await db.drop()
})
const usual = { describe: meta.describe, download: meta.download, remove: meta.remove, filesOf: meta.filesOf }

function start({ store: events, commands, vault, pool } = here): void {
  const stopping = new AbortController()
  const files = createFileStore(directory)
  const store = { ...files, remove: async (key: string) => (meta.removals.push(key), (await meta.remove(key)) ?? files.remove(key)) }
  const mediaApi = {
    describe: async (_account: unknown, id: string) => (meta.described.push(id), meta.describe(id)),
    download: async (_account: unknown, url: string) => meta.download(url),
  }
  const accountOf = async () => (account ? { phoneNumberId: '1', wabaId: '2', accessToken: 'token' } : undefined)
  const about = {
    mediaApi,
    accountOf,
    erased: createErasedSubjects(pool),
    filesOf: async (of: object) => ('contactId' in of ? meta.filesOf(String(of.contactId)) : []),
  }
  const deps = { events, commands, vault, pool, jobsPool, store, ...about, clock: () => new Date(now), pollMs: 50, eraseEveryMs: 100 }
  const done = runMedia({ ...deps, owner: randomUUID(), log: pino({ level: 'silent' }) }, stopping.signal)
  running = { stop: stopping, done }
}
async function stop(): Promise<void> {
  running?.stop.abort()
  await running?.done
  running = undefined
}

/** A customer sends a picture. */
async function receives({
  sha256 = hash.toString('base64'),
  contactId = randomUUID(),
  at = new Date(),
  channelId = randomUUID(),
  tenantId = randomUUID(),
  origin,
}: { sha256?: string; contactId?: string; at?: Date; channelId?: string; tenantId?: string; origin?: 'history' } = {}) {
  const messageId = randomUUID()
  const id = conversationId(tenantId, channelId, contactId)
  const providerId = String(Math.floor(Math.random() * 1e15))
  const command = {
    channelId,
    contactId,
    messageId,
    providerId: `wamid.${messageId}`,
    messageType: 'image',
    content: JSON.stringify({ image: { id: providerId, caption: 'La casa' } }),
    media: { providerId, kind: 'image', mimeType: 'image/jpeg', sha256 },
    at: at.toISOString(),
  } as const
  const said: ConversationCommand =
    origin === undefined ? { type: 'receive', ...command } : { type: 'recordMessage', origin, direction: 'inbound', ...command }
  await here.commands.execute(conversation, id, said, here.context(tenantId))
  return { tenantId, channelId, contactId, messageId, providerId, mediaId: mediaIdOf(tenantId, messageId) }
}
async function history({ tenantId, mediaId }: { tenantId: string; mediaId: string }): Promise<MediaEvent[]> {
  const events: MediaEvent[] = []
  for await (const event of here.store.readStream(streamRef('media', tenantId, mediaId))) events.push(fromStored<MediaEvent>(event))
  return events
}
const stateOf = async (file: { tenantId: string; mediaId: string }): Promise<Media> => (await history(file)).reduce(media.evolve, media.initial)
const reaches = (file: { tenantId: string; mediaId: string }, state: Media['state']) =>
  expect.poll(async () => (await stateOf(file)).state).toBe(state)
const jobs = async (): Promise<object[]> =>
  (await here.pool.query<object>('select run_at, attempts, locked_by from graphile_worker._private_jobs')).rows
const failing = { error: { code: 190, status: 401, message: 'expired' } } as const

describe("a customer's file", () => {
  it('is fetched, checked and sealed; its job is gone', async () => {
    const file = await receives()
    start()
    await reaches(file, 'stored')
    expect((await history(file)).map(({ type }) => type)).toEqual(['MediaAnnounced', 'MediaStored'])
    const { file: stored } = await stateOf(file)
    expect(stored).toMatchObject({ size: bytes.length, sha256: hash.toString('hex') })
    const sealed = { ...file, subject: file.contactId, part: 'file', storageKey: stored?.storageKey ?? '', size: bytes.length } as const
    const opened = await openSealed({ store: createFileStore(directory), vault: here.vault }, sealed)
    const pieces: Uint8Array[] = []
    if ('bytes' in opened) for await (const piece of opened.bytes) pieces.push(piece)
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
    await expect.poll(jobs).toEqual([])
  })
  it('that came while nobody was there is fetched when somebody is, and only once', async () => {
    const files = await Promise.all(Array.from({ length: 5 }, () => receives()))
    start()
    for (const file of files) await reaches(file, 'stored')
    await stop()
    start()
    const another = await receives()
    await reaches(another, 'stored')
    expect(new Set(meta.described).size).toBe(6)
    expect(meta.described.length).toBe(6)
  })
  it('is fetched once, however many processes are there, also when they change over', async () => {
    const another = await startProcess({ url: db.url, masterKey })
    start()
    const one = running
    start(another)
    const some = await Promise.all(Array.from({ length: 6 }, () => receives()))
    for (const file of some) await reaches(file, 'stored')
    one?.stop.abort()
    const more = await Promise.all(Array.from({ length: 6 }, () => receives()))
    await one?.done
    for (const file of more) await reaches(file, 'stored')
    expect(meta.described.toSorted()).toEqual([...some, ...more].map(({ providerId }) => providerId).toSorted())
    await stop()
    await another.close()
  })
  it('waits for a token that is mended, and then comes at once', async () => {
    meta.describe = () => failing
    const file = await receives()
    start()
    await expect
      .poll(async () => (await history(file)).map((event) => ('reason' in event ? event.reason : event.type)))
      .toEqual(['MediaAnnounced', 'provider_190'])
    expect((await stateOf(file)).state).toBe('pending')
    await stop()
    await here.pool.query(`update graphile_worker._private_jobs set run_at = now() + interval '5 hours'`)
    Object.assign(meta, usual)
    start()
    const connection = { verified: false, facts: { displayPhone: '+34 600 000 000' } } as const
    await here.commands.execute(
      channel,
      file.channelId,
      { type: 'add', name: 'Ventas', phoneNumberId: randomUUID(), wabaId: '2', accessToken: 'old', connection },
      here.context(file.tenantId),
    )
    await reaches(file, 'stored')
  })
  it('waits while its channel is not connected', async () => {
    account = false
    const file = await receives()
    start()
    await expect.poll(async () => (await stateOf(file)).failure).toBe('channel_not_connected')
    expect((await stateOf(file)).state).toBe('pending')
  })
  it('that still cannot be had after seven days is expired', async () => {
    meta.describe = () => ({ error: { code: 100, status: 400, message: 'Object does not exist' } })
    const old = await receives({ at: new Date(now - 7 * day - 1000) })
    const young = await receives({ at: new Date(now - 6 * day) })
    start()
    await reaches(old, 'expired')
    await expect.poll(async () => (await stateOf(young)).failure).toBe('provider_100')
    expect((await stateOf(young)).state).toBe('pending')
  })
  it('older than that is tried all the same: history brings such', async () => {
    const old = await receives({ at: new Date(now - 30 * day) })
    start()
    await reaches(old, 'stored')
  })
  it('of history whose first try fails is not given up for the age of its message: its seven days begin when it is told', async () => {
    meta.describe = () => ({ unreachable: 'ECONNRESET' })
    const old = await receives({ at: new Date(now - 90 * day), origin: 'history' })
    start()
    await expect.poll(async () => (await stateOf(old)).failure).toBe('provider_unreachable')
    expect((await stateOf(old)).state).toBe('pending')
    await stop()
    await here.pool.query('update graphile_worker._private_jobs set run_at = now()')
    now += 8 * day
    start()
    await reaches(old, 'expired')
  })
  it('of today goes before those of history', async () => {
    const old = await Promise.all(Array.from({ length: 20 }, () => receives({ origin: 'history' })))
    const young = await receives()
    start()
    for (const one of [young, ...old]) await reaches(one, 'stored')
    // Four are fetched at once.
    expect(meta.described.slice(0, 4)).toContain(young.providerId)
  })
  it('whose address has moved is asked for again', async () => {
    let asked = 0
    meta.download = () => (++asked === 1 ? { error: { code: 0, status: 404, message: 'HTTP 404' } } : { ok: once(bytes) })
    const file = await receives()
    start()
    await reaches(file, 'stored')
    expect(asked).toBe(2)
  })
  it('that breaks off or comes with other bytes is not stored', async () => {
    const cut = await receives()
    meta.download = () => ({ ok: once(bytes.subarray(0, 100), new Error('reset')) })
    start()
    await expect.poll(async () => (await stateOf(cut)).failure).toBe('download_broke_off')
    meta.download = () => ({ ok: once(randomBytes(1000)) })
    const other = await receives()
    await expect.poll(async () => (await stateOf(other)).failure).toBe('hash_mismatch')
    expect((await readdir(directory, { recursive: true })).some((name) => name.includes(other.mediaId))).toBe(false)
  })
  it('with other bytes for the fifth time is given up', async () => {
    meta.download = () => ({ ok: once(randomBytes(1000)) })
    const file = await receives()
    start()
    await expect
      .poll(async () => {
        await here.pool.query('update graphile_worker._private_jobs set run_at = now() where locked_by is null')
        return (await stateOf(file)).state
      })
      .toBe('failed')
    await expect.poll(jobs).toEqual([])
  })
  it('larger than anything that WhatsApp sends is given up without being read', async () => {
    meta.describe = () => ({ ok: { url: 'https://files/1', size: 101 * 1024 * 1024 } })
    meta.download = () => {
      throw new Error('must not be read')
    }
    const file = await receives()
    start()
    await reaches(file, 'failed')
    expect((await stateOf(file)).failure).toBe('too_large')
  })
  it('of somebody who was erased meanwhile is not fetched', async () => {
    const file = await receives()
    await here.pool.query('update keyring.subject_keys set wrapped_key = null, destroyed_at = now() where subject = $1', [file.contactId])
    const another = await startProcess({ url: db.url, masterKey })
    start(another)
    await reaches(file, 'erased')
    expect(meta.described).toEqual([])
    await stop()
    await another.close()
  })
  it('of somebody who is erased goes from the store, also when that was away at first; those of others stay', async () => {
    const [hers, his] = [await receives(), await receives()]
    start()
    await reaches(hers, 'stored')
    await reaches(his, 'stored')
    const lies = async ({ mediaId }: { mediaId: string }) =>
      (await readdir(directory, { recursive: true })).some((name) => name.includes(`${mediaId}/file`))
    expect(await lies(hers)).toBe(true)
    meta.filesOf = (contactId) => (contactId === hers.contactId ? [hers.mediaId] : [])
    let away = true
    meta.remove = async () => (away ? Promise.reject(new Error('the store is away')) : undefined)
    await here.pool.query('update keyring.subject_keys set wrapped_key = null, destroyed_at = now() where subject = $1', [hers.contactId])
    await reaches(hers, 'erased')
    await expect.poll(() => meta.removals.length).toBeGreaterThan(0)
    expect(await lies(hers)).toBe(true)
    away = false
    // A process that is started again finds the job, and what it was about.
    await stop()
    await here.pool.query('update graphile_worker._private_jobs set run_at = now()')
    start()
    await expect.poll(async () => lies(hers)).toBe(false)
    await expect.poll(jobs).toEqual([])
    expect(await lies(his)).toBe(true)
    expect((await stateOf(his)).state).toBe('stored')
  })
  it('that is being stored while its owner is erased leaves nothing behind', async () => {
    const file = await receives()
    meta.download = () => ({
      ok: (async function* () {
        await here.commands.execute(
          media,
          file.mediaId,
          {
            type: 'announce',
            messageId: file.messageId,
            conversationId: 'c',
            channelId: file.channelId,
            contactId: file.contactId,
            providerId: '1',
            kind: 'image',
            announcedAt: new Date().toISOString(),
          },
          here.context(file.tenantId),
        )
        await here.commands.execute(media, file.mediaId, { type: 'erase' }, here.context(file.tenantId))
        yield bytes
      })(),
    })
    start()
    await reaches(file, 'erased')
    await expect.poll(jobs).toEqual([])
    expect((await readdir(directory, { recursive: true })).filter((name) => name.includes(`${file.mediaId}/file`))).toEqual([])
  })
  it('whose job a killed process had locked is fetched by the next one', async () => {
    meta.describe = () => failing
    const file = await receives()
    start()
    await expect.poll(async () => (await stateOf(file)).failure).toBe('provider_190')
    await stop()
    await here.pool.query(`update graphile_worker._private_jobs set run_at = now(), locked_at = now(), locked_by = 'worker-of-a-dead-process'`)
    Object.assign(meta, usual)
    start()
    await reaches(file, 'stored')
  })
})
