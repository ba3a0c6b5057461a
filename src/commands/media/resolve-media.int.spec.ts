import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { startProcess } from '../../../tests/support/sending.ts'
import { createVoiceConverter } from '../../adapters/ffmpeg/voice-notes.ts'
import { createFileStore } from '../../adapters/media-store/file.ts'
import type { CallResult } from '../ports/cloud-api.ts'
import type { UploadedFile } from '../ports/media-api.ts'
import { createCheckMedia } from './check-media.ts'
import { createResolveMedia } from './resolve-media.ts'
import { spool } from './spool.ts'
import { createUploadMedia } from './upload-media.ts'

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
const oggOpus = (channels: number): Buffer =>
  Buffer.concat([Buffer.from('OggS'), Buffer.alloc(24), Buffer.from('OpusHead'), Buffer.from([1, channels]), Buffer.alloc(300)])
const wav = Buffer.concat([Buffer.from('RIFF'), Buffer.alloc(4), Buffer.from('WAVEfmt '), Buffer.alloc(200, 1)])
const day = 86_400_000

let db: TestDatabase
let here: Awaited<ReturnType<typeof startProcess>>
let directory: string
let now = Date.now()
const tenantId = randomUUID()
const account = { phoneNumberId: '1', wabaId: '2', accessToken: 'token' }
type Received = Omit<UploadedFile, 'bytes'> & { bytes: Buffer }
let received: Received[] = []
let answer: () => CallResult<string> = () => ({ ok: '' })

beforeAll(async () => {
  db = await freshDatabase()
  here = await startProcess({ url: db.url, masterKey: randomBytes(32) })
  directory = await mkdtemp(join(tmpdir(), 'recado-resolve-'))
})
beforeEach(() => {
  received = []
  now = Date.now()
  answer = () => ({ ok: `9000${received.length}` })
})
afterAll(async () => {
  await here.close()
  await rm(directory, { recursive: true })
  await db.drop()
})

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
function parts(program = 'no-such-program') {
  const store = createFileStore(directory)
  const { commands, vault } = here
  const converter = createVoiceConverter({ program })
  const mediaApi = {
    async upload(_account: unknown, file: UploadedFile): Promise<CallResult<string>> {
      const pieces: Uint8Array[] = []
      for await (const piece of file.bytes) pieces.push(piece)
      received.push({ ...file, bytes: Buffer.concat(pieces) })
      return answer()
    },
  }
  return {
    upload: createUploadMedia({ commands, vault, store, canConvert: converter.available }),
    check: createCheckMedia({ commands, canConvert: converter.available }),
    media: createResolveMedia({ commands, vault, store, mediaApi, converter, clock: () => new Date(now) }),
  }
}
async function uploaded(bytes: Buffer, mimeType: string, { upload } = parts()): Promise<string> {
  const outcome = await upload({ file: await spool(once(bytes), 1_000_000), filename: 'a', mimeType }, here.context(tenantId))
  if (!('mediaId' in outcome)) throw new Error(JSON.stringify(outcome))
  return outcome.mediaId
}

/** Does with its input what ffmpeg is asked for: answers to -version, reads the file after -i, writes Ogg with Opus to its output. */
async function standIn(script: string): Promise<string> {
  const path = join(directory, `ffmpeg-${randomUUID()}`)
  await writeFile(path, `#!/bin/sh\n[ "$1" = -version ] && exit 0\n${script}\n`)
  await chmod(path, 0o700)
  return path
}

describe('a file of ours in a message', () => {
  it('is uploaded once for many messages at once, and again for another channel', async () => {
    const { media } = parts()
    const id = await uploaded(png, 'image/png')
    const message = { tenantId, channelId: 'a', type: 'image', object: { id, caption: 'La casa' } }
    const resolved = await Promise.all(Array.from({ length: 20 }, () => media.resolve(account, message)))
    expect(new Set(resolved.map((one) => JSON.stringify(one)))).toEqual(new Set([JSON.stringify({ object: { id: '90001', caption: 'La casa' } })]))
    expect(received).toHaveLength(1)
    expect(received[0]).toMatchObject({ mimeType: 'image/png', size: png.length })
    expect(
      createHash('sha256')
        .update(received[0]?.bytes ?? '')
        .digest('hex'),
    ).toBe(createHash('sha256').update(png).digest('hex'))
    expect(await media.resolve(account, { ...message, channelId: 'b' })).toEqual({ object: { id: '90002', caption: 'La casa' } })
  })
  it('says when it waits for an upload, and does not where Meta has a copy', async () => {
    const { media } = parts()
    const id = await uploaded(png, 'image/png')
    const message = { tenantId, channelId: 'a', type: 'image', object: { id } }
    let waits = 0
    for (let time = 0; time < 3; time++) await media.resolve(account, message, { onUpload: () => void waits++ })
    expect(waits).toBe(1)
  })
  it('is uploaded again when Meta keeps it no longer, or says that it does not know it', async () => {
    const { media } = parts()
    const message = { tenantId, channelId: 'a', type: 'document', object: { id: await uploaded(png, 'image/png') } }
    expect(await media.resolve(account, message)).toEqual({ object: { id: '90001' } })
    now += 30 * day
    expect(await media.resolve(account, message)).toEqual({ object: { id: '90002' } })
    expect(await media.forget(message)).toBe(true)
    expect(await media.resolve(account, message)).toEqual({ object: { id: '90003' } })
    expect(await media.forget({ ...message, object: { id: '123456' } })).toBe(false)
  })
  it('may stand in the header of an interactive message or in a parameter of a template', async () => {
    const { media } = parts()
    const id = await uploaded(png, 'image/png')
    const header = { type: 'button', header: { type: 'image', image: { id } }, body: { text: 'x' } }
    expect(await media.resolve(account, { tenantId, channelId: 'a', type: 'interactive', object: header })).toEqual({
      object: { ...header, header: { type: 'image', image: { id: '90001' } } },
    })
    const components = [{ type: 'header', parameters: [{ type: 'image', image: { id } }] }]
    expect(await media.resolve(account, { tenantId, channelId: 'a', type: 'template', object: { name: 't', components } })).toMatchObject({
      object: { name: 't', components: [{ parameters: [{ image: { id: '90001' } }] }] },
    })
    expect(received).toHaveLength(1)
  })
  it("is none of our business when the id is Meta's, or a link", async () => {
    const { media, check } = parts()
    for (const object of [{ id: '1234567' }, { link: 'https://example.com/a.jpg' }]) {
      expect(await media.resolve(account, { tenantId, channelId: 'a', type: 'image', object })).toEqual({ object })
      expect(await check(tenantId, 'image', object)).toEqual([])
    }
  })
  it('of another organisation does not exist', async () => {
    const { media, check } = parts()
    const object = { id: await uploaded(png, 'image/png') }
    const stranger = randomUUID()
    expect(await check(stranger, 'image', object)).toMatchObject([{ path: 'image.id', code: 'unknown_media' }])
    expect(await media.resolve(account, { tenantId: stranger, channelId: 'a', type: 'image', object })).toMatchObject({ failed: { later: false } })
    expect(received).toEqual([])
  })
  it('fails for good when Meta refuses it, and for now when Meta cannot be reached or the token is bad', async () => {
    const { media } = parts()
    const message = { tenantId, channelId: 'a', type: 'image', object: { id: await uploaded(png, 'image/png') } }
    for (const [said, later] of [
      [{ error: { code: 100, status: 400, message: 'Param file must be …' } }, false],
      [{ error: { code: 190, status: 401, message: 'expired' } }, true],
      [{ unreachable: 'ECONNREFUSED' }, true],
    ] as const) {
      answer = () => said
      expect(await media.resolve(account, message)).toMatchObject({ failed: { later } })
    }
    answer = () => ({ ok: '77' })
    expect(await media.resolve(account, message)).toEqual({ object: { id: '77' } })
  })
})

describe('a voice note', () => {
  it('in Ogg/Opus mono goes as it is', async () => {
    const { media, check } = parts()
    const object = { id: await uploaded(oggOpus(1), 'audio/ogg'), voice: true }
    expect(await check(tenantId, 'audio', object)).toEqual([])
    expect(await media.resolve(account, { tenantId, channelId: 'a', type: 'audio', object })).toEqual({ object: { id: '90001', voice: true } })
    expect(received[0]?.bytes.equals(oggOpus(1))).toBe(true)
  })
  it('in another format is refused before it is queued where there is no ffmpeg', async () => {
    const { check, upload } = parts()
    const object = { id: await uploaded(oggOpus(2), 'audio/ogg'), voice: true }
    expect(await check(tenantId, 'audio', object)).toMatchObject([{ path: 'audio.id', code: 'voice_note_format' }])
    expect(await check(tenantId, 'audio', { ...object, voice: false })).toEqual([])
    expect(await upload({ file: await spool(once(wav), 10_000), filename: 'a.wav', mimeType: 'audio/wav' }, here.context(tenantId))).toMatchObject({
      unfit: { code: 'media_type' },
    })
  })
  it('is made of another format where there is ffmpeg, and kept apart from the file itself', async () => {
    const made = join(directory, 'made.ogg')
    await writeFile(made, oggOpus(1))
    const program = await standIn(`while [ "$1" != -i ]; do shift; done\nhead -c 4 "$2" | grep -q OggS && cat ${made}`)
    const { check, media, upload } = parts(program)
    const id = await uploaded(oggOpus(2), 'audio/ogg', { check, media, upload })
    const message = { tenantId, channelId: 'a', type: 'audio', object: { id, voice: true } }
    expect(await check(tenantId, 'audio', message.object)).toEqual([])
    expect(await media.resolve(account, message)).toEqual({ object: { id: '90001', voice: true } })
    expect(received[0]).toMatchObject({ mimeType: 'audio/ogg', size: oggOpus(1).length })
    expect(received[0]?.bytes.equals(oggOpus(1))).toBe(true)
    expect(await media.resolve(account, { ...message, object: { id } })).toEqual({ object: { id: '90002' } })
    expect(await media.resolve(account, message)).toEqual({ object: { id: '90001', voice: true } })
  })
  it('that cannot be made fails, and says so', async () => {
    const { media, ...others } = parts(await standIn('echo no sound >&2; exit 1'))
    const object = { id: await uploaded(wav, 'audio/wav', { media, ...others }), voice: true }
    expect(await media.resolve(account, { tenantId, channelId: 'a', type: 'audio', object })).toMatchObject({
      failed: { code: 'voice_note_format', later: false },
    })
  })
})
