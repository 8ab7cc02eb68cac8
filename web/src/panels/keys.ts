export const isMacKey = /Mac|iPhone|iPad/.test(navigator.platform);
