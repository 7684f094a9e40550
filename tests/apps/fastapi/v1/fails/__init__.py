from handlers import fails as main
