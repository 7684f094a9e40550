from handlers import hello as main
