// whatsapp-web.js brings puppeteer, whose install would otherwise download a browser: Recado uses the one it finds (CHROMIUM_PATH).
module.exports = { skipDownload: true }
