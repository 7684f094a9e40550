from handlers import echo as main
