// Times of day as the reader's own clock shows them, in 24 hours.

export const clock = (ms = Date.now()) => new Date(ms).toLocaleTimeString(undefined, { hourCycle: "h23" });
