/** What `baton --help` tells of the environment: what most need; docs/configuration.md has all of it. */
export const ENVIRONMENT = `
Environment:
  OPENAI_API_KEY, ANTHROPIC_API_KEY, XAI_API_KEY
                         the providers' keys
  OPENAI_BASE_URL, ANTHROPIC_BASE_URL
                         other places that speak the same API
  BATON_REDIS_URL        the Redis; absent: Baton's own, in the data folder
  BATON_DATA_DIR         the data folder; absent: .baton
  BATON_CONFIG           the configuration file; absent: baton.config.ts, .js,
                         .mjs or .json here
  BATON_SERVER, BATON_API_KEY
                         work through this HTTP API, with this key
  BATON_ENCRYPTION_KEYS  what is said is encrypted in Redis with these
  BATON_LOG              level of the log of up, api, worker and mcp
  docs/configuration.md has the others.`;
