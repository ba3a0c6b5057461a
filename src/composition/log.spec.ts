import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createLog } from './log.ts'

function written(write: (log: ReturnType<typeof createLog>) => void): string {
  const out = new PassThrough()
  write(createLog({ log: { level: 'info', pretty: false } }, out))
  return String(out.read())
}

describe('the log', () => {
  it('says of an error what it is and where, and nothing that hangs on it', () => {
    const error = Object.assign(new Error('terminated'), { code: '57P01', client: { password: 'hunter2' }, detail: 'Key (phone)=(+5491155550123)' })
    const line = written((log) => log.error({ err: error }, 'a connection broke'))
    expect(JSON.parse(line)).toMatchObject({ err: { type: 'Error', message: 'terminated', code: '57P01' } })
    expect(line).not.toMatch(/hunter2|5491155550123/)
  })
  it('says of an error of PostgreSQL which one and where, never the values that it quotes', () => {
    const error = Object.assign(new Error('invalid input: "Ana\n    at Ana (calle 5)"'), {
      severity: 'ERROR',
      code: '22P02',
      detail: 'Key (name)=(Ana)',
      constraint: 'people_pkey',
    })
    const line = written((log) => log.error({ err: new Error('while saving', { cause: error }) }, 'a request failed'))
    const { err } = JSON.parse(line) as { err: { cause: { stack: string } } }
    expect(err).toMatchObject({ message: 'while saving', cause: { type: 'Error', code: '22P02', constraint: 'people_pkey' } })
    expect(err.cause.stack).toMatch(/^\s+at .*log\.spec\.ts/)
    expect(line).not.toContain('Ana')
  })
  it('never writes a request or an answer', () => {
    const line = written((log) => log.info({ req: { headers: { authorization: 'Bearer rk_secret' } }, res: { body: 'Hola' } }, 'answered'))
    expect(line).not.toMatch(/rk_secret|Hola/)
  })
})
