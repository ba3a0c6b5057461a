import { z } from 'zod'

/**
 * The part of the Compose Specification that docker-compose.yml uses, written from the facts of its JSON schema and as strict as that: a key that is misspelt
 * or stands in the wrong place is refused. What is not here may well be legal Compose; whoever needs it adds it.
 */
const duration = z.string().regex(/^(\d+(us|ms|s|m|h))+$/)
const name = z.string().regex(/^[a-zA-Z0-9._-]+$/)
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
const command = z.union([z.string(), z.array(z.string())])
const unique = <T extends z.ZodType>(item: T) => z.array(item).refine((list) => new Set(list.map((one) => JSON.stringify(one))).size === list.length)

const dependency = z.strictObject({
  condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully']),
  required: z.boolean().optional(),
  restart: z.boolean().optional(),
})

const healthcheck = z.strictObject({
  test: z.union([z.string(), z.array(z.string()).refine(([first]) => first === 'CMD' || first === 'CMD-SHELL' || first === 'NONE')]),
  interval: duration.optional(),
  timeout: duration.optional(),
  start_period: duration.optional(),
  retries: z.int().positive().optional(),
})

const service = z
  .strictObject({
    image: z.string().optional(),
    build: z
      .union([z.string(), z.strictObject({ context: z.string(), dockerfile: z.string().optional(), target: z.string().optional() })])
      .optional(),
    profiles: unique(name).optional(),
    restart: z
      .string()
      .regex(/^(no|always|unless-stopped|on-failure(:\d+)?)$/)
      .optional(),
    init: z.boolean().optional(),
    read_only: z.boolean().optional(),
    tmpfs: z.union([z.string(), unique(z.string())]).optional(),
    cap_drop: unique(z.string()).optional(),
    security_opt: unique(z.string()).optional(),
    stop_grace_period: duration.optional(),
    shm_size: z.union([z.number(), z.string()]).optional(),
    command: command.optional(),
    environment: z.union([z.record(z.string(), scalar), unique(z.string())]).optional(),
    env_file: z.union([z.string(), z.array(z.string())]).optional(),
    ports: unique(z.union([z.number(), z.string().regex(/^(\d+\.\d+\.\d+\.\d+:)?(\d+:)?\d+(\/(tcp|udp))?$/)])).optional(),
    volumes: unique(z.string().regex(/^[^:]+:\/[^:]+(:(ro|rw|z|Z))?$/)).optional(),
    depends_on: z.union([unique(name), z.record(name, dependency)]).optional(),
    healthcheck: healthcheck.optional(),
    networks: unique(name).optional(),
    logging: z
      .strictObject({ driver: z.string().optional(), options: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).optional() })
      .optional(),
  })
  .refine(({ image, build }) => image !== undefined || build !== undefined, 'a service has an image, or is built')

const compose = z.object({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]*$/)
    .optional(),
  services: z.record(name, service),
  networks: z.record(name, z.strictObject({ internal: z.boolean().optional(), driver: z.string().optional() }).nullable()).optional(),
  volumes: z.record(name, z.strictObject({ driver: z.string().optional() }).nullable()).optional(),
})

export type Compose = z.infer<typeof compose>

/** @throws ZodError; top-level keys are those of the specification or begin with `x-`. */
export function parseCompose(file: Record<string, unknown>): Compose {
  const own = Object.fromEntries(Object.entries(file).filter(([key]) => !key.startsWith('x-')))
  return compose.strict().parse(own)
}

/** `${NAME}`, `${NAME:-otherwise}` and `${NAME:?why it is needed}` in every text, filled in after the file was read, as Compose does. */
export function interpolated<T>(file: T, variables: Readonly<Record<string, string>>): T {
  if (typeof file === 'string') return fillIn(file, variables) as T
  if (Array.isArray(file)) return file.map((one: unknown) => interpolated(one, variables)) as T
  if (typeof file !== 'object' || file === null) return file
  return Object.fromEntries(Object.entries(file).map(([key, value]) => [key, interpolated<unknown>(value, variables)])) as T
}

const fillIn = (text: string, variables: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}/g, (_, key: string, kind: string | undefined, rest: string | undefined) => {
    const value = variables[key]
    if (value !== undefined && value !== '') return value
    if (kind === '?') throw new Error(`${key} is required: ${rest ?? ''}`)
    return kind === '-' ? (rest ?? '') : ''
  })
