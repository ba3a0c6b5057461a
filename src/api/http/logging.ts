import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestHandler } from 'express'
import type { Logger } from 'pino'
import { pinoHttp } from 'pino-http'
import type { Locals } from './principal.ts'

/** One line per answered request: how it went and for whom, by ids. No body, token, query value or address of a person; the path as the route names it. */
export function requestLog(log: Logger, quiet: (path: string) => boolean): RequestHandler {
  const seen = (req: IncomingMessage): { originalUrl?: string; route?: { path?: string } } => req as never
  const locals = (res: ServerResponse): Partial<Locals> => (res as never as { locals?: Partial<Locals> }).locals ?? {}
  const path = (req: IncomingMessage): string => (seen(req).originalUrl ?? req.url ?? '').split('?')[0] ?? ''
  return pinoHttp({
    logger: log,
    // Only what `line` names gets out: by default pino-http binds the whole request, Authorization header and all, to every line.
    quietReqLogger: true,
    quietResLogger: true,
    wrapSerializers: false,
    serializers: { req: () => undefined, res: () => undefined },
    autoLogging: { ignore: (req) => quiet(path(req)) },
    customLogLevel: (_req, res) => (res.statusCode >= 500 ? 'error' : 'info'),
    customSuccessMessage: () => 'answered',
    customErrorMessage: () => 'answered',
    customAttributeKeys: { responseTime: 'ms', reqId: 'request_id' },
    genReqId: (_req, res) => locals(res).requestId ?? '',
    customSuccessObject: (req, res, value: Record<string, unknown>) => line(req, res, value),
    customErrorObject: (req, res, _error, value: Record<string, unknown>) => line(req, res, value),
  }) as RequestHandler

  function line(req: IncomingMessage, res: ServerResponse, value: Record<string, unknown>): Record<string, unknown> {
    const principal = locals(res).principal
    return {
      method: req.method,
      // Unmatched addresses are whatever somebody typed: they stay out of the log.
      route: seen(req).route?.path ?? 'none',
      status: res.statusCode,
      ms: value['ms'],
      ...(principal === undefined ? {} : { tenant_id: principal.tenantId, actor: `${principal.actor.kind}:${principal.actor.id}` }),
    }
  }
}
