import { spawn } from 'node:child_process'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { VoiceConverter } from '../../commands/ports/voice-converter.ts'

export type FfmpegOptions = {
  /** Name or path of the program. */
  readonly program: string
  readonly timeoutMs?: number
  /** Larger results are given up: WhatsApp takes 16 MB. */
  readonly maxBytes?: number
}

/** What WhatsApp's own voice notes are: mono, 48 kHz, 32 kbit/s. Nothing but the sound goes along, and ffmpeg may open this file and nothing else. */
const argumentsOf = (input: string): string[] =>
  `-hide_banner -loglevel error -nostdin -protocol_whitelist file,pipe -i INPUT -map 0:a:0 -vn -map_metadata -1 -ac 1 -ar 48000 -c:a libopus -b:a 32k -application voip -f ogg pipe:1`
    .split(' ')
    .map((word) => (word === 'INPUT' ? input : word))

/**
 * ffmpeg as a child process. It gets a file and no pipe, because the index of an MP4 may stand at its end; the file lies in a directory of its own, for
 * this user only, and is gone when the child is.
 */
export function createVoiceConverter({ program, timeoutMs = 60_000, maxBytes = 16 * 1024 * 1024 }: FfmpegOptions): VoiceConverter {
  let found: Promise<boolean> | undefined
  const run = (args: readonly string[], signal?: AbortSignal): Promise<Buffer | undefined> =>
    new Promise((resolve) => {
      const limits = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])])
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], signal: limits, killSignal: 'SIGKILL', windowsHide: true })
      const pieces: Buffer[] = []
      let length = 0
      child.on('error', () => resolve(undefined))
      child.stdout.on('data', (piece: Buffer) => {
        length += piece.length
        if (length > maxBytes) child.kill('SIGKILL')
        else pieces.push(piece)
      })
      child.on('close', (code) => resolve(code === 0 ? Buffer.concat(pieces) : undefined))
    })
  return {
    available: () => (found ??= run(['-version']).then((answer) => answer !== undefined)),
    async convert(sound, signal) {
      const directory = await mkdtemp(join(tmpdir(), 'recado-voice-'))
      try {
        const path = join(directory, 'sound')
        const handle = await open(path, 'wx', 0o600)
        try {
          for await (const piece of sound) await handle.appendFile(piece)
        } finally {
          await handle.close()
        }
        const converted = await run(argumentsOf(path), signal)
        return converted === undefined || converted.length === 0 ? undefined : converted
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    },
  }
}
