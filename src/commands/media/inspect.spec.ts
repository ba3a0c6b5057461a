import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { isVoiceNote, mimeTypeOf, pictureOf } from './inspect.ts'

const picture = (format: 'jpeg' | 'png' | 'webp', width = 1200, height = 800): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: '#2a6' } })
    .toFormat(format)
    .toBuffer()
const oggOpus = (channels: number): Buffer =>
  Buffer.concat([Buffer.from('OggS'), Buffer.alloc(24), Buffer.from('OpusHead'), Buffer.from([1, channels])])

describe('the type of a file', () => {
  it('is what its bytes say, whatever was declared', async () => {
    expect(await mimeTypeOf(await picture('jpeg'), 'image/png')).toBe('image/jpeg')
    expect(await mimeTypeOf(Buffer.from('%PDF-1.7\n1 0 obj\n'), 'image/jpeg')).toBe('application/pdf')
  })
  it('is what was declared where the bytes leave it open', async () => {
    expect(await mimeTypeOf(Buffer.from('Hola, ¿sigue libre?'), 'text/plain; charset=utf-8')).toBe('text/plain')
    expect(await mimeTypeOf(Buffer.from('0000001c6674797069736f6d00000200', 'hex'), 'audio/mp4')).toBe('audio/mp4')
  })
  it('is nothing that a browser would show when it claims to be a picture and is none', async () => {
    expect(await mimeTypeOf(Buffer.from('<html><script>alert(1)</script>'), 'image/jpeg')).toBe('application/octet-stream')
    expect(await mimeTypeOf(Buffer.from('<html><script>alert(1)</script>'), 'text/html')).toBe('text/plain')
    expect(await mimeTypeOf(Buffer.from([0, 1, 2]), undefined)).toBe('application/octet-stream')
    expect(await mimeTypeOf(Buffer.from('x'), 'nonsense"; evil')).toBe('application/octet-stream')
  })
})

describe('a voice note', () => {
  it('is Ogg with Opus in one channel', () => {
    expect(isVoiceNote(oggOpus(1))).toBe(true)
    expect(isVoiceNote(oggOpus(2))).toBe(false)
    expect(isVoiceNote(Buffer.from('RIFF....WAVE'))).toBe(false)
  })
})

describe('a thumbnail', () => {
  it('is small, and the picture is known by its true size', async () => {
    const made = await pictureOf(await picture('jpeg'))
    expect(made).toMatchObject({ width: 1200, height: 800 })
    expect(await sharp(made?.thumbnail).metadata()).toMatchObject({ format: 'webp', width: 480, height: 320 })
  })
  it('is not made of what is no picture, of half a picture or of one with too many points', async () => {
    const half = await picture('png')
    expect(await pictureOf(Buffer.from('no picture'))).toBeUndefined()
    expect(await pictureOf(half.subarray(0, half.length / 2))).toBeUndefined()
    expect(await pictureOf(await picture('png', 9000, 6000))).toBeUndefined()
  })
})
