from handlers import returns as main
