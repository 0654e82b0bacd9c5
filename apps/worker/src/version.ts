/** The version of Baton, shown by workers and by `--version`. */
export const VERSION = "0.1.0";
