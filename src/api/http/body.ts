import { createHash } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import express, { type NextFunction } from 'express'
import { nestsDeeperThan } from './json-depth.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from './principal.ts'
import { problem } from './problem.ts'

const deepest = 100
const hashes = new WeakMap<IncomingMessage, string>()

/** SHA-256 of the body's bytes as they came, for the Idempotency-Key; of nothing when there was none. */
export const bodyHash = (req: IncomingMessage): string => hashes.get(req) ?? ''

/** For bodies that are read elsewhere. */
export const keepBodyHash = (req: IncomingMessage, hash: string): void => void hashes.set(req, hash)

/**
 * JSON into `req.body`: strict UTF-8, a limit on size, and one on depth, checked before anything recursive (zod, JSON.stringify) sees it:
 * a megabyte of `[` would end in a stack overflow, which is a 500.
 */
export function jsonBody(limit: number, optional: boolean): HttpHandler {
  const parse = express.json({
    limit,
    strict: true,
    type: ['application/json', 'application/*+json'],
    verify(req, _res, bytes, encoding) {
      if (encoding !== 'utf-8' && encoding !== 'utf8') throw problem('unsupported_media_type', 'JSON is sent in UTF-8.')
      if (!isUtf8(bytes)) throw problem('malformed_json', 'The body is not valid UTF-8.')
      if (nestsDeeperThan(bytes.toString('latin1'), deepest)) throw problem('malformed_json', `The body is nested deeper than ${deepest} levels.`)
      hashes.set(req, createHash('sha256').update(bytes).digest('hex'))
    },
  })
  return (req: HttpRequest, res: HttpResponse, next: NextFunction): void => {
    const empty = req.get('transfer-encoding') === undefined && Number(req.get('content-length') ?? 0) === 0
    if (empty) {
      if (!optional) throw problem('invalid_request', { errors: [{ path: 'body', code: 'required', message: 'is missing' }] })
      req.body = {}
      return next()
    }
    if (req.is(['application/json', 'application/*+json']) === false) throw problem('unsupported_media_type')
    parse(req, res, next)
  }
}
